from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from fakeoff.arena.errors import ConfigError
from fakeoff.protocols.config import (
    Player,
    Reals,
    TournamentConfig,
    effective_config,
    merge,
    parse_config,
    print_config,
    read_config,
)

WRONG = [
    ({"ronds": 3}, r"unknown key 'ronds'; did you mean 'rounds'\?"),
    ({"arena": {"resolutoin": 64}}, r"unknown key 'arena\.resolutoin'; did you mean 'resolution'\? Known here: resol"),
    ({"generators": [{"plugin": "pgan", "nmae": "x"}]}, r"'generators\.0\.nmae'; did you mean 'name'\?"),
    ({"defend": {"zzz": 1}}, r"unknown key 'defend\.zzz' Known here: history, steps"),
    ({"rounds": "many"}, r"'rounds': .*not 'many'"),
    ({"rounds": -1}, "'rounds': .*not -1"),
    ({"rounds": 1.5}, "'rounds'"),
    ({"arena": {"resolution": 8}}, r"'arena\.resolution': .*16, not 8"),
    ({"arena": {"colour": "sepia"}}, r"'arena\.colour': .*'grey' or 'rgb', not 'sepia'"),
    ({"arena": 64}, "'arena'"),
    ({"defend": {"batch": 7}}, r"'defend\.batch': .*multiple of 2"),
    ({"attack": {"weight": float("nan")}}, r"'attack\.weight'"),
    ({"attack": {"rate": -1}}, r"'attack\.rate'"),
    ({"attack": {"critic_lr": 1e-3}}, r"'attack': 'generator_lr' and 'critic_lr' are one setting, 'rate'"),
    (
        {"attack": {"critic_lr": 1e-3, "generator_lr": 1e-4}},
        r"'attack': 'generator_lr' and 'critic_lr' are one setting, 'rate'",
    ),
    ({"score": {"confidence": 1.0}}, r"'score\.confidence'"),
    ({"pools": {"test_fakes": 1}}, r"'pools\.test_fakes'"),
    ({"compute": {"precision": "int8"}}, r"'compute\.precision'"),
    ({"generators": []}, "'generators'"),
    ({"generators": ["pgan"]}, r"'generators\.0'"),
    ({"generators": [{"name": "x"}]}, r"'generators\.0\.plugin': Field required"),
    ({"generators": [{"plugin": "a", "name": "no spaces"}]}, r"'generators\.0\.name'"),
    ({"generators": [{"plugin": "a", "name": "../up"}]}, r"'generators\.0\.name'"),
    ({"detectors": [{"plugin": "a"}, {"plugin": "a"}]}, "'detectors': two players are called 'a'; give one"),
]

SOME = st.fixed_dictionaries(
    {},
    optional={
        "rounds": st.integers(0, 1000),
        "seed": st.integers(0, 2**40),
        "reals": st.fixed_dictionaries({}, optional={"source": st.text(), "skip_corrupt": st.booleans()}),
        "arena": st.fixed_dictionaries({}, optional={"resolution": st.integers(16, 1024)}),
        "attack": st.fixed_dictionaries({}, optional={"weight": st.floats(0, 1e6), "target": st.text()}),
        "generators": st.lists(
            st.fixed_dictionaries(
                {"plugin": st.from_regex(r"[a-z]{1,9}", fullmatch=True)},
                optional={
                    "parameters": st.dictionaries(
                        st.text("abc", min_size=1, max_size=4), st.integers(-9, 9) | st.booleans() | st.text(max_size=5)
                    )
                },
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda player: player["plugin"],
        ),
    },
)


def test_nothing_given_is_a_whole_tournament() -> None:
    config = parse_config({}, where="x")
    assert config == TournamentConfig()
    assert [player.name for player in config.generators] == ["pgan"]
    assert len(config.detectors) >= 2


@pytest.mark.parametrize(("data", "message"), WRONG)
def test_what_is_wrong_is_said_with_file_place_and_value(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(data, where="my.toml")
    assert str(caught.value).startswith("my.toml: ")
    assert "\n" not in str(caught.value)


def test_a_player_is_called_as_its_plugin_unless_it_has_a_name() -> None:
    assert Player(plugin="pgan").name == "pgan"
    assert Player(plugin="pgan", name="mine").name == "mine"
    players = [{"plugin": "pgan"}, {"plugin": "pgan", "name": "other"}]
    assert [player.name for player in parse_config({"generators": players}, where="x").generators] == ["pgan", "other"]


def test_two_rates_of_before_that_are_the_same_are_the_one_of_now() -> None:
    found = parse_config({"attack": {"generator_lr": 5e-4, "critic_lr": 5e-4, "steps": 4}}, where="test")
    assert (found.attack.rate, found.attack.steps) == (5e-4, 4)


def test_a_configuration_cannot_be_changed_in_play() -> None:
    config = TournamentConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.rounds = 3  # type: ignore[misc]


@given(data=SOME)
@settings(max_examples=60, deadline=None)
def test_a_printed_configuration_is_toml_that_reads_back_as_itself(data: dict[str, Any]) -> None:
    config = parse_config(data, where="x")
    text = print_config(config)
    assert parse_config(tomllib.loads(text), where="printed") == config


def test_every_field_is_printed_with_what_it_means() -> None:
    text = print_config(TournamentConfig())

    def check(section: type[BaseModel]) -> None:
        for name, field in section.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                assert f"[{name}]" in text
                check(inner)
            elif name not in ("generators", "detectors"):
                assert field.description
                described = [line for line in text.splitlines() if field.description in line]
                assert any(line.startswith(f"{name} = ") or f"{name}]" in line for line in described)

    check(TournamentConfig)


def test_files_that_cannot_be_read_are_configuration_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_config(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path)
    (tmp_path / "bad.toml").write_text("rounds = ")
    with pytest.raises(ConfigError, match=r"bad\.toml' is not TOML"):
        read_config(tmp_path / "bad.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not TOML"):
        read_config(tmp_path / "binary.toml")


def test_a_file_comes_before_the_last_tournament_and_options_before_both(tmp_path: Path) -> None:
    home, path = tmp_path / "home", tmp_path / "mine.toml"
    assert effective_config(None, kept=home / "config.toml") == TournamentConfig()
    home.mkdir()
    (home / "config.toml").write_text("rounds = 5\nseed = 5\n[arena]\nresolution = 32\n")
    path.write_text("rounds = 7\n[reals]\nskip_corrupt = true\n")
    assert effective_config(None, kept=home / "config.toml").rounds == 5
    assert effective_config(path, kept=home / "config.toml").rounds == 7
    assert (
        effective_config(path, kept=home / "config.toml").arena.resolution == 64
    )  # not mixed with the last tournament
    config = effective_config(None, kept=home / "config.toml", rounds=0, split_by="file")
    assert (config.rounds, config.seed, config.arena.resolution, config.reals.split_by) == (0, 5, 32, "file")
    assert effective_config(path, kept=home / "config.toml", split_by="file").reals.skip_corrupt
    assert not effective_config(path, kept=home / "config.toml", skip_corrupt=False).reals.skip_corrupt


def test_a_file_is_blamed_for_what_stands_in_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "game.toml"
    path.write_text("rounds = 5\n")
    with pytest.raises(ConfigError, match=r"^the command line: 'rounds'"):
        effective_config(path, kept=tmp_path / "none", rounds=-1)
    with pytest.raises(ConfigError, match=r"^the command line: 'pools.test_fakes'"):
        effective_config(None, kept=path, settings=["pools.test_fakes=0"])
    with pytest.raises(ConfigError, match=r"^the options: 'rounds'"):
        effective_config({"seed": 1}, kept=path, rounds=-1)
    path.write_text("rounds = -5\n")
    with pytest.raises(ConfigError, match=r"game.toml: 'rounds'.*not -5"):
        effective_config(path, kept=tmp_path / "none", settings=["pools.test_fakes=0"])


def test_players_named_as_options_keep_what_the_file_says_of_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[detectors]]\nplugin = "xception_block2"\nname = "x2"\nparameters = {learning_rate = 0.01}\n')
    config = effective_config(path, kept=tmp_path / "config.toml", detectors="x2, resnet18_layer1 ,", generators="mine")
    assert [(p.name, p.plugin) for p in config.detectors] == [
        ("x2", "xception_block2"),
        ("resnet18_layer1", "resnet18_layer1"),
    ]
    assert config.detectors[0].parameters == {"learning_rate": 0.01}
    assert [player.plugin for player in config.generators] == ["mine"]
    with pytest.raises(ConfigError, match="'generators'"):
        effective_config(path, kept=tmp_path / "config.toml", generators=" , ")


def test_a_mistake_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("ronds = 1\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: unknown key 'ronds'"):
        effective_config(path, kept=tmp_path / "config.toml")
    with pytest.raises(ConfigError, match="the command line: 'rounds'"):
        effective_config(None, kept=tmp_path / "config.toml", rounds=-1)


def test_a_folder_of_reals_is_kept_as_a_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert effective_config(None, kept=tmp_path / "config.toml", source="faces").reals.source == str(tmp_path / "faces")
    assert effective_config(None, kept=tmp_path / "config.toml", source="orl").reals.source == "orl"


def test_a_table_of_reals_is_kept_as_a_full_path_and_on_record_as_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["reals.table=people.csv", "reals.split_folders=ignore", r"reals.group=(.+)_\d"]
    reals = effective_config(None, kept=Path(), source="faces", settings=given).reals
    assert (reals.table, reals.group) == (str(tmp_path / "people.csv"), r"(.+)_\d")
    record = reals.record(source_name="faces")
    assert record == {
        "source": "faces",
        "split_by": "folder",
        "group": r"(.+)_\d",
        "table": "people.csv",
        "split_folders": "ignore",
        "skip_corrupt": False,
    }


def test_settings_of_reals_that_came_later_are_on_record_only_where_they_are_set() -> None:
    assert set(Reals().record(source_name="orl")) == {"source", "split_by", "skip_corrupt"}


def test_a_path_that_is_no_text_cannot_be_kept() -> None:
    with pytest.raises(ConfigError, match=r"caf\\xe9' is no UTF-8"):
        effective_config(None, kept=Path(), source=os.fsdecode(b"caf\xe9"))


def test_merging_goes_section_by_section_and_replaces_lists() -> None:
    base = {"a": {"x": 1, "y": 2}, "l": [1, 2], "n": 1}
    merged = merge(base, {"a": {"y": 3}, "l": [9], "n": {"deep": 1}, "new": 4})
    assert merged == {"a": {"x": 1, "y": 3}, "l": [9], "n": {"deep": 1}, "new": 4}
    assert base == {"a": {"x": 1, "y": 2}, "l": [1, 2], "n": 1}


@pytest.mark.parametrize("kind", ["generators", "parts"])
def test_a_weights_file_is_found_from_any_folder(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"")
    parameters = 'parameters = { weights = "mine.safetensors" }'
    text = f"[parts]\n{parameters}" if kind == "parts" else f'[[generators]]\nplugin = "pgan"\n{parameters}'
    (tmp_path / "game.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    config = effective_config(Path("game.toml"), kept=tmp_path / "home" / "config.toml")
    section = config.parts if kind == "parts" else config.generators[0]
    assert section.parameters["weights"] == str(tmp_path / "mine.safetensors")


def test_weights_that_ship_keep_their_name(tmp_path: Path) -> None:
    (tmp_path / "game.toml").write_text('[parts]\nparameters = { weights = "face-unet" }')
    config = effective_config(tmp_path / "game.toml", kept=tmp_path / "home" / "config.toml")
    assert config.parts.parameters["weights"] == "face-unet"


def test_a_parameter_of_a_player_is_set_by_its_name(tmp_path: Path) -> None:
    """Where players are the defaults, and where a file describes them; the others stay as they are."""
    kept = tmp_path / "none"
    config = effective_config(None, kept=kept, settings=["generators.pgan.channels=3", "generators.pgan.weights=''"])
    assert config.generators[0].parameters == {"channels": 3, "weights": ""}
    described = {"detectors": [{"plugin": "resnet18", "name": "a", "parameters": {"init_seed": 1}}, {"plugin": "meso"}]}
    config = effective_config(described, kept=kept, settings=["detectors.a.width=2"])
    assert [player.parameters for player in config.detectors] == [{"init_seed": 1, "width": 2}, {}]


@pytest.mark.parametrize("setting", ["generators.pgn.channels=3", "generators.pgan=3"])
def test_a_parameter_of_nobody_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match=r"NAME of: pgan"):
        effective_config(None, kept=tmp_path / "none", settings=[setting])
