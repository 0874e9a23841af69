"""Players that are given as what they are made of: a finished detector's file, a folder of fakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakeoff.protocols.config import TournamentConfig, effective_config


def _effective(tmp_path: Path, **given: str) -> TournamentConfig:
    return effective_config(None, kept=tmp_path / "none.toml", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("file", "name"), [("mine.onnx", "mine"), ("a b.ONNX", "a_b"), ("v1.2.pt2", "v1_2")])
def test_a_finished_detectors_file_is_entered_by_its_path(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).write_bytes(b"")
    config = _effective(tmp_path, detectors=f"resnet18_layer1, {tmp_path / file}")
    first, second = config.detectors
    assert first.plugin == "resnet18_layer1"
    assert (second.plugin, second.name, second.parameters) == ("fixed", name, {"model": str(tmp_path / file)})


def test_it_is_absolute_because_a_home_is_played_on_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [player] = _effective(tmp_path, detectors="mine.onnx").detectors
    assert player.parameters == {"model": str(tmp_path / "mine.onnx")}


def test_a_folder_of_fakes_is_a_generator_and_a_name_never_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("fakes", "pgan"):
        (tmp_path / name).mkdir()
    mine, pgan = _effective(tmp_path, generators="./fakes,pgan").generators
    assert (mine.plugin, mine.name, mine.parameters) == ("images", "fakes", {"folder": str(tmp_path / "fakes")})
    assert (pgan.plugin, pgan.parameters) == ("pgan", {})
