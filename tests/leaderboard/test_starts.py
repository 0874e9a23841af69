from __future__ import annotations

from typing import Any

from fakeoff import detectors
from fakeoff.leaderboard.terminal.starts import describe_starts


def played(*players: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    sections = [
        {"name": f"seat{i}", "plugin": plugin, "parameters": given} for i, (plugin, given) in enumerate(players)
    ]
    return {"detectors": sections}


def test_it_is_told_who_starts_from_a_file_and_who_from_scratch() -> None:
    config = played(
        ("cnn_aug_p01", {"weights": "resnet50.pth"}),
        ("xception_block1", {}),  # takes none
        ("cnn_aug_p05", {"learning_rate": 1e-3}),
        ("cnn_aug_p05", {"weights": ""}),
    )
    assert describe_starts(config) == "seat0 from resnet50.pth, seat2 from scratch, seat3 from scratch"
    assert describe_starts(config, without={"seat0", "seat2"}) == "seat3 from scratch"


def test_weights_that_a_plugin_has_by_default_are_named_and_unknown_plugins_passed_over() -> None:
    class Ours(detectors.Detector):
        def __init__(self, *, weights: str = "ours-v2") -> None:
            super().__init__()

    entries = dict(detectors.players._entries)
    try:
        detectors.players.register("starts_test_ours")(Ours)
        config = played(("starts_test_ours", {}), ("starts_test_gone", {}))
        assert describe_starts(config) == "seat0 from ours-v2"
    finally:
        detectors.players._entries = entries


def test_nothing_is_said_where_nobody_takes_weights() -> None:
    assert describe_starts(played(("xception_block1", {}), ("resnet18", {}))) == ""
    assert describe_starts({}) == ""
