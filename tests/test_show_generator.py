"""What the page about generators says of weights that ship: how it is measured, and that it is of those weights."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import save_file

from fakeoff.arena import compute, images
from fakeoff.arena.images.reals import orl_faces
from fakeoff.arena.players.abilities import abilities
from fakeoff.arena.players.specs import find_weights
from fakeoff.generators import Batch, players
from fakeoff.generators.glow import Glow
from fakeoff.generators.gmm import GaussianMixture

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "generators.md"
RESULTS = ROOT / "docs" / "results"


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    """Scripts find each other, as where they are called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
        yield


@pytest.fixture
def quality() -> ModuleType:
    return importlib.import_module("sample_quality")


@pytest.fixture
def tables() -> ModuleType:
    return importlib.import_module("quality_table")


def plain(*levels: int, side: int = 8) -> images.Pixels:
    """Grey images of one level each."""
    return np.array(levels, dtype=np.uint8)[:, None, None, None].repeat(side, 1).repeat(side, 2).repeat(3, 3)


def test_the_nearest_training_photograph_and_how_far_it_is(quality: ModuleType) -> None:
    shown, training = plain(9, 100, 255), plain(0, 90, 115, 255)
    index, distance = quality.nearest(shown, training, colour="grey")
    assert index.tolist() == [0, 1, 3]
    assert distance == pytest.approx([8 * 9 / 255, 8 * 10 / 255, 0])
    index, distance = quality.nearest(shown, training, colour="rgb")
    assert index.tolist() == [0, 1, 3]
    assert distance == pytest.approx([3**0.5 * 8 * 9 / 255, 3**0.5 * 8 * 10 / 255, 0])


def test_coverage_counts_people_and_not_photographs(quality: ModuleType) -> None:
    people = np.array([4, 4, 7, 7, 9])
    assert quality.coverage(np.array([0, 1, 1, 0]), people) == pytest.approx(1 / 3)
    assert quality.coverage(np.array([1, 3]), people) == pytest.approx(2 / 3)
    assert quality.coverage(np.array([4, 0, 2, 2]), people) == 1


class Constant(torch.nn.Module):
    """Says in ``bits_per_dimension`` what it was shown."""

    resolution = 4

    def bits_per_dimension(self, shown: torch.Tensor) -> torch.Tensor:
        return shown.flatten(1).mean(1)


class Counting(Constant):
    bits = 5

    def bits_per_dimension(self, shown: torch.Tensor, *, rng: torch.Generator) -> torch.Tensor:  # type: ignore[override]
        return shown.flatten(1).mean(1) * 0 + torch.rand((), generator=rng)


def reals(quality: ModuleType) -> Any:
    pixels = {split: plain(*levels, side=4) for split, levels in (("train", range(90)), ("val", [7]), ("test", [255]))}
    return quality.Reals(source=orl_faces(), pixels=pixels, people=np.zeros(90, dtype=np.int64))


def test_bits_per_dimension_get_noise_unless_the_player_draws_it(quality: ModuleType) -> None:
    bits = quality.bits_per_dimension(Constant(), reals(quality))
    assert bits.pop("of") == 8
    # one in 255 of the noise's deviation, over the root of how many pixels it is drawn for
    for split, mean in (("train", 89 / 2), ("val", 7.0), ("test", 255.0)):
        assert bits[split] == pytest.approx(mean / 255, abs=0.5 / 255)
    assert bits["val"] != round(7 / 255, 4)

    bits = quality.bits_per_dimension(Counting(), reals(quality))
    assert bits.pop("of") == 5
    assert bits["val"] == bits["test"]
    assert 0 < bits["train"] < 1
    assert quality.bits_per_dimension(torch.nn.Module(), reals(quality)) == {}


def test_what_is_trained_and_what_samples_are_made_with(quality: ModuleType) -> None:
    glow = Glow(resolution=16, steps=1, width=4)
    size = sum(parameter.numel() for parameter in glow.flow.parameters())
    assert quality.count_parameters(glow) == {"trained": size, "sampled with": size}
    gan = players.build("stylegan", {"resolution": 16, "features": 64, "most_features": 8, "latent_dim": 8})
    generator, critic = (
        sum(parameter.numel() for parameter in network.parameters()) for network in (gan.generator, gan.critic)
    )
    assert quality.count_parameters(gan) == {"trained": generator + critic, "sampled with": generator}
    mixture = GaussianMixture(resolution=4, components=2, factors=3, weights=None)
    assert quality.count_parameters(mixture) == {"trained": 162, "sampled with": 162}


def test_the_time_of_a_training_that_was_resumed(tmp_path: Path) -> None:
    training_time = importlib.import_module("pretraining").training_time
    log = tmp_path / "log.jsonl"
    lines = [
        {"images": 100, "seconds": 10.0, "processor": "A", "threads": 1},
        {"images": 200, "seconds": 20.5, "processor": "A", "threads": 1},
        {"images": 300, "seconds": 9.0, "processor": "B", "threads": 1},
        {"images": 400, "seconds": 18.0, "processor": "B", "threads": 1},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert training_time(log) == {"images": 400, "seconds": 38.5, "threads": 1}
    assert training_time(log, up_to=300) == {"images": 300, "seconds": 29.5, "threads": 1}
    assert training_time(log, up_to=250) == {"images": 200, "seconds": 20.5, "processor": "A", "threads": 1}


def call(*words: str) -> Result:
    script = importlib.import_module("show_generator")
    with compute.undisturbed():
        return CliRunner().invoke(script.main, list(words))


def test_any_weights_are_measured_and_drawn(tmp_path: Path, quality: ModuleType, tables: ModuleType) -> None:
    page = PAGE.read_text()
    train = orl_faces().load("train", resolution=16, colour="grey")
    player = GaussianMixture(resolution=16, components=2, factors=4, weights=None)
    player.fit(lambda: iter([Batch(images=images.to_tensor(train))]), rng=torch.Generator().manual_seed(0))
    weights = tmp_path / "mine.safetensors"
    save_file(player.shipped_state(), weights)

    words = ["--set", "resolution=16", "--set", "components=2", "--set", "factors=4"]
    done = call("gmm", "--weights", str(weights), *words, "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "gmm-orl-16.json").read_text())
    assert found["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert found["processor"]
    assert found["set"] == {"resolution": 16, "components": 2, "factors": 4}
    assert found["training"] == {"photographs": 280, "people": 28}
    assert found["fakes"].keys() >= {"kid", "swd", quality.NEAREST, quality.MET, quality.COVERAGE}
    assert all(len(values) == 5 for values in found["fakes"].values())
    assert all(
        a >= b for a, b in zip(found["fakes"][quality.COVERAGE], found["fakes"][quality.COVERAGE_BY_FEW], strict=True)
    )
    assert max(found["fakes"]["kid"]) < found["noise"]["kid"]
    assert found["held-out photographs"]["photographs"] == 80
    bits = found["bits per dimension"]
    assert bits["train"] < min(bits["val"], bits["test"]) < 8
    with Image.open(tmp_path / "gmm-orl-16.png") as picture:
        assert picture.mode == "L"
    assert PAGE.read_text() == page
    assert tables.read_results(tmp_path) == [found]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["glow", "--set", "weights="], "'glow' comes without weights: give those to show with --weights FILE"),
        (["images"], "'images' has no latents"),
        (["nobody"], "unknown generator 'nobody'"),
        (["gmm", "--weights", "nowhere.safetensors"], "has no weights 'nowhere.safetensors'"),
        ([], "name a generator, or give --table"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(words: list[str], said: str) -> None:
    done = call(*words)
    assert done.exit_code == 2
    assert said in done.output


def measured(name: str, **over: Any) -> dict[str, Any]:
    quality = importlib.import_module("sample_quality")
    return {
        "generator": name,
        "name": f"{name}-orl-64",
        "bytes": 3_449_999,
        "parameters": {"trained": 2000, "sampled with": 1000},
        "training": {"photographs": 280, "people": 28, "images": 252_000, "seconds": 4938.6},
        "fakes": {
            "kid": [337.5, 340.2, 353.49],
            "swd": [6.14, 6.2, 6.26],
            quality.NEAREST: [8.26, 8.34],
            quality.MET: [83, 81, 89],
            quality.COVERAGE: [0.9286, 0.7857],
            quality.COVERAGE_BY_FEW: [0.75, 0.75],
        },
        "training reals": {"kid": 167.7, "swd": 8.01},
        "noise": {"kid": 2001.4, "swd": 89.56},
        "held-out photographs": {"photographs": 80, "people": 8, quality.NEAREST: 9.4878, quality.COVERAGE: 0.5357},
        **over,
    }


def test_the_table_says_what_was_measured(tmp_path: Path, tables: ModuleType) -> None:
    likely = {"of": 5, "train": 1.821, "val": 2.09, "test": 2.104}
    sizes = {"trained": 648_836, "sampled with": 648_836}
    plain_training = {"photographs": 280, "people": 28, "seconds": 5.1, "threads": 1}
    other = measured("flow", **{"bits per dimension": likely}, parameters=sizes, training=plain_training)
    for one in (measured("gan"), other):
        (tmp_path / f"{one['name']}.json").write_text(json.dumps(one))
    (tmp_path / "something-else.json").write_text(json.dumps({"fakes": 1}))
    (tmp_path / "a-list.json").write_text("[]")
    rows = tables.table(tables.read_results(tmp_path)).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert {len(row) for row in cells} == {11}
    assert cells[2][1:4] == ["648,836 (all)", "3.4 MB", "5 s on 1 thread"]
    assert cells[2][-1] == "1.82, 2.09, 2.10 of 5"
    assert cells[3] == [
        "[gan](#gan), [samples](pictures/gan-orl-64.png)",
        "2,000 (1,000)",
        "3.4 MB",
        "252,000, 82 min",
        "338 to 353",
        "6.1 to 6.3",
        "8.3",
        "81 to 89",
        "79% to 93%",
        "75%",
        "",
    ]
    assert cells[4] == ["the training reals", "", "", "", "168", "8.0", *[""] * 5]
    assert cells[5] == ["the 80 held-out reals", *[""] * 5, "9.5", "", "", "54%", ""]
    assert cells[6] == ["uniform noise", "", "", "", "2001", "89.6", *[""] * 5]

    page = tmp_path / "page.md"
    page.write_text(f"before\n{tables._BEGIN}\nold\n{tables._END}\nafter\n")
    tables.write_table(page, tables.read_results(tmp_path))
    assert tables.table_of(page).splitlines() == rows
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("\nafter\n")


def test_photographs_with_terms_have_a_table_of_their_own_without_pictures_and_people(
    tmp_path: Path, tables: ModuleType
) -> None:
    nobody_knows = {"photographs": 699, "people": 699, "images": 60_000, "seconds": 3600.0, "threads": 1}
    other = measured("gan", licence="theirs", training=nobody_knows) | {"name": "gan-celeba-999-64"}
    for one in (measured("gan"), other):
        (tmp_path / f"{one['name']}.json").write_text(json.dumps(one))
    assert [one["name"] for one in tables.read_results(tmp_path)] == ["gan-orl-64"]
    rows = tables.table(tables.read_results(tmp_path, source="celeba-999")).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert {len(row) for row in cells} == {8}
    assert cells[0][-1] == "training photographs met, of 699"
    assert cells[2] == [
        "[gan](#gan)", "2,000 (1,000)", "3.4 MB", "60,000, 60 min on 1 thread",
        "338 to 353", "6.1 to 6.3", "8.3", "81 to 89",
    ]  # fmt: skip
    assert cells[4] == ["the 80 held-out reals", *[""] * 5, "9.5", ""]

    page = tmp_path / "page.md"
    of_both = [f"{begin}\nold\n{tables._END}" for begin in (tables._BEGIN, tables._begin("celeba-999"))]
    page.write_text("\nbetween\n".join(of_both))
    tables.write_tables(page, tmp_path)
    assert tables.table_of(page, source="celeba-999").splitlines() == rows
    assert "pictures/gan-orl-64.png" in tables.table_of(page)
    assert "\nbetween\n" in page.read_text()


def test_the_page_says_what_was_measured_in_colour(tables: ModuleType) -> None:
    results = tables.read_results(RESULTS, source="celeba-999")
    assert tables.table_of(PAGE, source="celeba-999") == tables.table(results)
    assert all("non-commercial research only" in result["licence"] for result in results)
    assert not list((ROOT / "docs" / "pictures").glob("*celeba*"))


def test_the_page_says_what_was_measured_of_the_weights_that_ship(tables: ModuleType) -> None:
    results = tables.read_results(RESULTS)
    assert tables.table_of(PAGE) == tables.table(results)
    assert {result["generator"]: result["sha256"] for result in results} == ships()
    yardsticks = [[one["training reals"], one["noise"], one["held-out photographs"]] for one in results]
    for other in yardsticks[1:]:
        for mine, first in zip(other, yardsticks[0], strict=True):
            assert mine == pytest.approx(first, rel=1e-3)
    for result in results:
        assert (ROOT / "docs" / "pictures" / f"{result['name']}.png").exists()


def ships() -> dict[str, str]:
    """The generators that come with weights and sample, and the hash of those."""
    found = {}
    for entry in players:
        if entry.origin != "fakeoff" or "manipulator" in abilities(players.load(entry.name)):
            continue
        weights = {parameter.name: parameter.default for parameter in players.parameters(entry.name)}.get("weights")
        if weights and not weights.startswith("asset:"):
            path = find_weights(weights, players.load(entry.name))
            found[entry.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
