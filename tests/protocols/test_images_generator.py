"""A folder of fakes as a generator: real files, in real tournaments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from fakeoff import generators
from fakeoff.arena.errors import ConfigError, DataError, PluginError
from fakeoff.arena.players.specs import load_arrays, state_arrays, write_spec
from fakeoff.generators import Wanted, abilities, players
from fakeoff.generators.contract import GeneratorContract
from fakeoff.generators.images import Images

Play = Callable[..., tuple[Any, Any]]
Config = Callable[..., Any]


def write_fakes(folder: Path, n: int, *, side: int = 32, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(n):
        pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}-{index:03d}.png")
    return folder


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fakes(tmp_path_factory.mktemp("fakes") / "flat", 90)


@pytest.fixture(scope="module", autouse=True)
def _folder_of_the_contract(fakes: Path) -> None:
    TestImages.parameters = {"folder": str(fakes)}


class TestImages(GeneratorContract):
    player = "images"
    parameters: ClassVar[dict[str, Any]] = {}


def test_it_does_not_learn_and_says_so() -> None:
    assert abilities(players.load("images")) == ("fixed",)


def test_every_image_is_shown_once_with_its_split(fakes: Path) -> None:
    made = Images(folder=str(fakes)).fakes(Wanted(n=7), rng=generators_rng())
    assert len(made) == 90  # all there are, whatever was wanted
    shown = {image.numpy().tobytes() for image in made.images}
    files = {
        (np.asarray(Image.open(path)).transpose(2, 0, 1) / np.float32(255)).astype(np.float32).tobytes()
        for path in fakes.iterdir()
    }
    assert shown == files
    assert made.split is not None
    counts = np.bincount(made.split.numpy(), minlength=3)
    assert counts.sum() == 90
    assert counts[0] > counts[2] > counts[1] >= 8


def generators_rng() -> Any:
    import torch

    return torch.Generator().manual_seed(0)


def test_its_state_brings_the_images_and_their_size(fakes: Path) -> None:
    one = Images(folder=str(fakes))
    other = Images()
    load_arrays(other, state_arrays(one))
    assert other.resolution == 32
    first, second = (player.fakes(Wanted(n=9), rng=generators_rng()) for player in (one, other))
    assert first.images.equal(second.images)


def test_the_content_is_the_recipe_and_the_path_is_not(tmp_path: Path) -> None:
    def identity(folder: Path) -> dict[str, Any]:
        return write_spec(players, name="x", plugin="images", parameters={"folder": str(folder)}).identity()

    one, same = write_fakes(tmp_path / "one", 3), write_fakes(tmp_path / "elsewhere", 3)
    assert identity(one) == identity(same)
    assert str(tmp_path) not in str(identity(one))
    (same / "0-001.png").unlink()
    assert identity(one) != identity(same)
    with pytest.raises(PluginError, match=r"folder = '.*nowhere' is no folder"):
        identity(tmp_path / "nowhere")


def test_images_of_several_sizes_need_a_resolution(tmp_path: Path) -> None:
    write_fakes(tmp_path / "mixed", 4, side=32)
    write_fakes(tmp_path / "mixed", 4, side=48, seed=1)
    with pytest.raises(ValueError, match="32x32, 48x48 pixels: say to what: resolution"):
        Images(folder=str(tmp_path / "mixed"))
    assert Images(folder=str(tmp_path / "mixed"), resolution=40).fakes(Wanted(n=1), rng=generators_rng()).images.shape[
        2:
    ] == (40, 40)


@pytest.fixture
def config(toy_config: Config, fakes: Path) -> Callable[..., Any]:
    def make(folder: Path = fakes, **over: Any) -> Any:
        mine = {"plugin": "images", "name": "theirs", "parameters": {"folder": str(folder)}}
        given = {"generators": [{"plugin": "toy_generator"}, mine], "parts": {"parser": ""}, **over}
        given = {"pools": {"train_fakes": 40, "val_fakes": 16, "test_fakes": 16}, **given}
        return toy_config(**{"audit": {"on_leak": "report"}, **given})

    return make


def test_it_is_on_the_scoreboard_like_anybody(play: Play, config: Config) -> None:
    record, ran = play(config(rounds=1))
    assert not record.forfeits
    [version] = [version for version in record.versions if version.player == "theirs"]
    assert version.round == 0  # it does not attack
    met = {match.detector.label for match in record.matches if match.generator.player == "theirs"}
    assert met == {"toy_detector@0", "toy_detector@1"}
    assert {audit.generator.label for audit in record.audits} >= {"theirs@0"}
    sizes = next(match.figures.n_fake for match in record.matches if match.generator.player == "theirs")
    assert 8 <= sizes <= 16
    assert not [job for job in ran.ran if job.stage == "attack" and job.player == "theirs"]


def test_its_own_sub_folders_are_its_split(play: Play, config: Config, tmp_path: Path) -> None:
    counts = {"train": 20, "val": 9, "test": 10}
    for seed, (split, n) in enumerate(counts.items()):
        write_fakes(tmp_path / "split" / split, n, seed=seed)
    _, ran = play(config(tmp_path / "split", rounds=0))
    [sampled] = [job for job in ran.ran if job.stage == "sample" and job.player == "theirs"]
    from fakeoff.arena.jobs.store import Store

    store = Store(tmp_path / "home" / "store")
    assert store.record(sampled.key)["sizes"] == counts


def test_too_few_images_forfeit_and_say_how_many_are_needed(play: Play, config: Config, tmp_path: Path) -> None:
    record, _ = play(config(write_fakes(tmp_path / "few", 12), rounds=0))
    [forfeit] = record.forfeits
    assert (forfeit.player, forfeit.stage) == ("theirs", "sample")
    assert "a pool takes at least 8" in forfeit.reason


def test_an_alien_format_is_found_by_the_audit(play: Play, config: Config, tmp_path: Path) -> None:
    """Fakes that were enlarged from 8 pixels: the audit refuses them, as it does for anybody."""
    folder = tmp_path / "enlarged"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(150):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        small.resize((32, 32), Image.Resampling.NEAREST).save(folder / f"{index}.png")
    given = config(folder, rounds=0, audit={"on_leak": "refuse"}, arena={"resolution": 32})
    given = given.model_copy(update={"generators": given.generators[1:]})
    with pytest.raises(ConfigError, match=r"theirs@0 can be told apart by format alone"):
        play(given)


def write_masks(fakes: Path, folder: Path, *, side: int = 32) -> Path:
    """Of each fake a mask of its own: as many rows are white as its name counts, from 1 to 31."""
    for path in sorted(fakes.rglob("*.png")):
        mask = np.zeros((side, side), dtype=np.uint8)
        mask[: 1 + int(path.stem.rpartition("-")[2]) % 31] = 255
        to = folder / path.relative_to(fakes).with_suffix(".bmp")
        to.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(to)
    return folder


def test_masks_go_with_their_images(fakes: Path, tmp_path: Path) -> None:
    masks = write_masks(fakes, tmp_path / "masks")
    one = Images(folder=str(fakes), masks=str(masks))
    other = Images()
    load_arrays(other, state_arrays(one))
    rows = {
        np.asarray(Image.open(path)).tobytes(): 1 + int(path.stem.rpartition("-")[2]) % 31 for path in fakes.iterdir()
    }
    for player in (one, other):
        made = player.fakes(Wanted(n=9), rng=generators_rng())
        assert made.mask is not None
        assert made.mask.shape == (90, 1, 32, 32)
        shown = (made.images * 255).round().byte().permute(0, 2, 3, 1).numpy()
        assert [int(mask.mean(2).sum()) for mask in made.mask] == [rows[image.tobytes()] for image in shown]
    assert "masks" not in state_arrays(Images(folder=str(fakes)))  # the state of before there were any
    half = Images(folder=str(fakes), masks=str(masks), resolution=16).fakes(Wanted(n=9), rng=generators_rng())
    assert half.mask is not None
    assert half.mask.mean() == pytest.approx(float(made.mask.mean()), abs=0.02)


def test_images_without_one_mask_of_their_size_are_refused(fakes: Path, tmp_path: Path) -> None:
    masks = write_masks(fakes, tmp_path / "masks")
    first = masks / "0-000.bmp"
    Image.open(first).resize((16, 16)).save(first)
    with pytest.raises(ValueError, match=r"'0-000\.png' and its mask are of 32x32 and 16x16 pixels: give a mask of"):
        Images(folder=str(fakes), masks=str(masks))
    first.unlink()
    with pytest.raises(ValueError, match=r"'0-000\.png' has no masks in 'masks': give one of the same name"):
        Images(folder=str(fakes), masks=str(masks))


def test_images_with_masks_are_localised(play: Play, config: Config, fakes: Path, tmp_path: Path) -> None:
    masks = write_masks(fakes, tmp_path / "masks")
    theirs = {"plugin": "images", "name": "theirs", "parameters": {"folder": str(fakes), "masks": str(masks)}}
    record, _ = play(config(rounds=0, generators=[theirs]))
    assert not record.forfeits
    [found] = record.localisations
    assert found.figures is not None
    assert found.figures.people == 0  # nobody says who is on them, nor what they were made from
    assert found.figures.auc.paired is None


def test_the_recipe_without_masks_is_what_it_was(fakes: Path) -> None:
    spec = write_spec(players, name="x", plugin="images", parameters={"folder": str(fakes)})
    assert set(spec.identity()["parameters"]) == {"resolution"}


def test_it_ships() -> None:
    assert "images" in {entry.name for entry in generators.players if entry.origin == "fakeoff"}


def test_pictures_beside_folders_of_splits_are_refused_and_not_divided_anew(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "val", "test", ".")):
        write_fakes(tmp_path / split, 1, seed=seed)
    with pytest.raises(DataError, match=r"beside test/ train/ val/ \(3-000\.png\).*or call them otherwise"):
        Images(folder=str(tmp_path), resolution=32)
