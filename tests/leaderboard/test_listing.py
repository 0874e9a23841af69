from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakeoff import detectors, generators
from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.catalogue.listing import list_players, players_text, print_players
from fakeoff.leaderboard.catalogue.player_page import player_text, print_player

WIDTHS = (80, 110, 160)

# What would happen if a list imported players: the first one ends the process.
PLAYERS = '''
from fakeoff.generators import Generator

class Hostile(Generator):
    """Makes fakes of strangers."""

    def __init__(self, *, size: int, weights: str = "") -> None:
        super().__init__()

    def decode(self, z): ...

Made = type("Made", (Generator,), {})

raise SystemExit("somebody's code ran")
'''
ENTRY_POINTS = """
[fakeoff.generators]
hostile = strangers.players:Hostile
made = strangers.players:Made
gone = strangers.gone:Gone
pgan = strangers.players:Hostile
"""
LIST = """
import json, sys
from io import StringIO
from rich.console import Console
from fakeoff.arena.errors import PluginError
from fakeoff.leaderboard.catalogue.listing import players_text, print_players
from fakeoff.leaderboard.catalogue.player_page import print_player
pages = {}
for width in json.loads(sys.argv[1]):
    console = Console(file=StringIO(), width=width)
    print_players(console)
    pages[width] = console.file.getvalue()
coloured = Console(file=StringIO(), width=110, force_terminal=True, color_system="standard")
print_players(coloured)
answer = {
    "pages": pages,
    "coloured": coloured.file.getvalue(),
    "players": json.loads(players_text()),
    "modules": sorted(sys.modules),
    "errors": {},
}
for name in ("hostile", "gone", "pgan"):
    try:
        print_player(Console(file=StringIO()), name)
    except PluginError as error:
        answer["errors"][name] = str(error)
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a fresh process lists where a package is installed whose players must not be imported."""
    site = tmp_path_factory.mktemp("site")
    package, metadata = site / "strangers", site / "strangers_players-1.2.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").write_text("")
    (package / "players.py").write_text(PLAYERS)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers-players\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    done = subprocess.run(
        [sys.executable, "-c", LIST, json.dumps(WIDTHS)],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Path]:
    """A plugin file with a generator and a detector of the same name."""
    path = tmp_path / "twin.py"
    path.write_text(
        "from fakeoff import detectors, generators\n"
        '@generators.register("twin")\n'
        "class Maker(generators.Generator): ...\n"
        '@detectors.register("twin")\n'
        "class Catcher(detectors.PatchDetector):\n"
        "    receptive_field = detectors.ReceptiveField(size=9, stride=2, offset=-4)\n"
    )
    load_plugin_file(path)
    yield path
    generators.players.forget(str(path))
    detectors.players.forget(str(path))


def _shown(name: str, *, width: int = 110) -> str:
    out = io.StringIO()
    print_player(Console(file=out, width=width), name)
    return out.getvalue()


def test_listing_imports_no_players_module(answer: dict[str, Any]) -> None:
    modules = set(answer["modules"])
    assert "fakeoff.leaderboard.catalogue.listing" in modules
    assert not modules & {"torchvision", "strangers", "strangers.players", "fakeoff.generators.pgan", "mlflow"}
    assert not {name for name in modules if name.startswith("fakeoff.detectors.x")}


def test_the_list_says_what_a_strangers_player_is(answer: dict[str, Any]) -> None:
    hostile = next(player for player in answer["players"] if player["name"] == "hostile")
    assert (hostile["kind"], hostile["origin"], hostile["release"]) == ("generator", "strangers-players", "1.2")
    assert hostile["summary"] == "Makes fakes of strangers."
    assert hostile["abilities"] == ["latent", "fixed"]
    assert [p["name"] for p in hostile["parameters"]] == ["size", "weights"]
    assert hostile["problem"] == ""


def test_the_list_guesses_nothing_and_says_what_is_not_there(answer: dict[str, Any]) -> None:
    made = next(player for player in answer["players"] if player["name"] == "made")
    gone = next(player for player in answer["players"] if player["name"] == "gone")
    assert (made["parameters"], made["abilities"], made["problem"]) == (None, None, "")
    assert gone["problem"] == "no module strangers.gone"
    page = answer["pages"]["160"]
    assert "parameters: not known before it is loaded; see: fakeoff plugins show made" in page
    assert "\x1b[31mno module strangers.gone" in answer["coloured"]


def test_a_contested_name_is_listed_with_everybody_who_claims_it(answer: dict[str, Any]) -> None:
    claims = [player for player in answer["players"] if player["name"] == "pgan"]
    assert [claim["origin"] for claim in claims] == ["fakeoff", "strangers-players"]
    assert all(claim["contested"] for claim in claims)
    assert "name this one by its class, strangers.players:Hostile" in answer["pages"]["160"]
    assert "one from fakeoff, one from strangers-players 1.2" in answer["errors"]["pgan"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_fits_its_terminal(answer: dict[str, Any], width: int) -> None:
    page = answer["pages"][str(width)]
    lines = page.splitlines()
    assert max(map(len, lines)) <= width
    for player in answer["players"]:
        assert [line for line in lines if line.startswith(f"{player['name']} ")], player["name"]
        # Neither the name nor the origin is broken.
        assert [line for line in lines if player["origin"] in line], player["origin"]
    # Of many parameters only the first ones.
    assert " more" in page
    assert "init_seed=0" in page


def test_showing_a_player_loads_it_and_says_what_went_wrong(answer: dict[str, Any]) -> None:
    assert "strangers-players 1.2 (strangers.players:Hostile) does not load" in answer["errors"]["hostile"]
    assert "somebody's code ran" in answer["errors"]["hostile"]
    assert "No module named 'strangers.gone'" in answer["errors"]["gone"]


def test_the_json_list_is_the_list() -> None:
    listed = json.loads(players_text())
    assert [(x["kind"], x["name"]) for x in listed] == [(x.kind.registry.kind, x.entry.name) for x in list_players()]
    out = io.StringIO()
    print_players(Console(file=out, width=300))
    # Longer names are folded there.
    assert all(x["name"][:24] in out.getvalue() for x in listed)


def test_show_has_every_parameter_with_its_meaning() -> None:
    page = _shown("pgan", width=160)
    for name in ("resolution", "critic_lr", "init_seed"):
        assert [line for line in page.splitlines() if line.startswith(f"│ {name} ")]
    assert "'wgan_gp' | 'non_saturating'" in page
    assert "Adam's learning rate of the critic." in page
    assert "trainable: learns" in page
    assert "weights that ship  pgan-orl-64" in page
    assert "generators/pgan.py:" in page
    assert "fakeoff run --generators pgan" in page
    assert "fakeoff plugins check pgan" in page


def test_show_tells_the_receptive_field_and_what_the_name_fixes() -> None:
    assert "43 px, stride 4, offset -21" in _shown("resnet18_layer1")
    page = _shown("xception_block2")
    assert "block=2" in page
    assert "│ block " not in page
    assert "weights that ship" not in page  # it takes none


def test_show_shows_every_kind_of_a_name_and_how_to_enter_a_file(twin: Path) -> None:
    page = _shown("twin")
    assert "twin, a generator" in page
    assert "twin, a detector" in page
    assert f"fakeoff run --plugin {twin} --generators twin" in page
    assert f"fakeoff plugins check --plugin {twin} twin --kind detector" in page
    assert [x["receptive_field"] for x in json.loads(player_text("twin"))] == [
        None,
        {"size": 9, "stride": 2, "offset": -4},
    ]


def test_show_says_how_a_protocol_is_played_and_offers_no_check_that_is_not_there() -> None:
    page = _shown("attack_defend")
    assert "attack_defend, a protocol" in page
    assert "fakeoff run --protocol attack_defend" in page
    assert "plugins check" not in page


def test_show_takes_a_class_path_of_any_kind() -> None:
    (shown,) = json.loads(player_text("fakeoff.detectors.resnet:TruncatedResNet18"))
    assert shown["kind"] == "detector"
    assert len(shown["code"]) == 64
    with pytest.raises(PluginError, match=r"is no plugin: the class must derive from one of fakeoff\.generators\.Gen"):
        _shown("fakeoff.detectors.receptive_field:ReceptiveField")
    with pytest.raises(PluginError, match="no module named 'pkg_nowhere'"):
        _shown("pkg_nowhere.players:Theirs")


def test_an_unknown_name_is_looked_for_in_every_kind() -> None:
    for wrong, right in (("pgn", "pgan"), ("resnet18_layer2", "resnet18_layer1"), ("face_unit", "face_unet")):
        with pytest.raises(PluginError, match=f"nothing is called '{wrong}'; did you mean '{right}'"):
            _shown(wrong)
