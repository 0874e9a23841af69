"""From where on an audit calls a difference a leak, and what it makes of few images."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.stats import hypergeom

from fakeoff.protocols.forensics.comparing import _Comparison, compare, few_to_compare, gravity_of, judge
from fakeoff.protocols.forensics.probing import _features, _groups, probe, probe_findings
from fakeoff.protocols.forensics.report import CATEGORIES_AT_MOST, Probe, SideName
from fakeoff.protocols.forensics.sides import AuditedImage


def image(side: SideName, *, group: str = "", measures: dict[str, float] | None = None, **traces: str) -> AuditedImage:
    return AuditedImage(
        name=side,
        side=side,
        split="all",
        size=(64, 64),
        thumbnail=b"",
        pixels_sha256=b"",
        group=group,
        categories=traces,
        measures=measures or {},
    )


def sides(real: list[str], fake: list[str]) -> list[AuditedImage]:
    return [image("real", mode=mode) for mode in real] + [image("fake", mode=mode) for mode in fake]


def of(n: int, *, carry: int) -> list[str]:
    """So many images, of which some are in another mode."""
    return ["L"] * carry + ["RGB"] * (n - carry)


def compared(real: list[str], fake: list[str], *, seed: int = 0) -> _Comparison:
    found = compare("mode", sides(real, fake), np.random.default_rng(seed))
    assert found is not None
    return found


def worth(**over: Any) -> str:
    """The gravity that is given to a comparison of 100 images each; empty where chance explains it."""
    plain = _Comparison(
        check="mode", names=["L", "RGB"], counts=np.array([[40, 60], [70, 30]]), distance=0.3, by_chance=0.05, p=1e-4
    )
    tests = over.pop("tests", 1)
    found = judge(dataclasses.replace(plain, **over), tests=tests)
    return found.gravity if found else ""


@pytest.mark.parametrize("tests", [1, 7])
def test_of_all_comparisons_together_one_in_a_hundred_is_chance(tests: int) -> None:
    assert worth(p=0.0099 / tests, tests=tests) == "leak"
    assert worth(p=0.0101 / tests, tests=tests) == ""


def test_a_leak_is_a_twentieth_of_the_images_beyond_chance_and_less_is_a_note() -> None:
    assert worth(distance=0.101, by_chance=0.05) == "leak"
    assert worth(distance=0.099, by_chance=0.05) == "note"
    assert gravity_of(significant=False, excess=1.0) == "note"
    # Counted: 8% of the fakes are a leak, 3% are told, and of none is nothing said.
    for carry, gravity in ((160, "leak"), (60, "note")):
        found = judge(compared(of(2000, carry=0), of(2000, carry=carry)), tests=1)
        assert found is not None
        assert found.gravity == gravity
    assert judge(compared(of(2000, carry=60), of(2000, carry=60)), tests=1) is None


@pytest.mark.parametrize(("low", "leaks"), [(0.549, 0), (0.551, 1)])
def test_a_probe_is_a_leak_where_it_is_surely_a_twentieth_above_chance(low: float, leaks: int) -> None:
    seen = Probe(ap=0.7, ap_interval=(low, 0.8), prevalence=0.5, n_real=40, n_fake=40, features=("a",), strongest="a")
    found = probe_findings(seen, {"real": 40, "fake": 40})
    assert [finding.gravity for finding in found] == ["leak"] * leaks


def test_a_comparison_is_the_permutation_test_of_the_total_variation_distance() -> None:
    found = compared(of(40, carry=12), of(60, carry=33))
    assert found.distance == pytest.approx(33 / 60 - 12 / 40)
    # Labels dealt at random: of two categories the reals' share is hypergeometric.
    dealt = np.arange(46)
    apart = np.abs(dealt / 40 - (45 - dealt) / 60)
    chances = hypergeom(100, 45, 40).pmf(dealt)
    assert found.p == pytest.approx(chances[apart >= found.distance - 1e-9].sum(), rel=0.4)
    assert found.by_chance == pytest.approx((chances * apart).sum(), rel=0.05)
    assert found.names == ["RGB", "L"]  # the commonest first
    np.testing.assert_array_equal(found.counts, [[28, 12], [27, 33]])
    # A distance that chance reaches every time, and one that it never does.
    assert compared(["L", "RGB"], ["RGB", "L"]).p == 1
    assert compared(of(500, carry=0), of(500, carry=500)).p == 1 / 10_000


def test_what_never_varies_or_one_side_lacks_is_no_comparison() -> None:
    rng = np.random.default_rng(0)
    assert compare("mode", sides(["L"] * 9, ["L"] * 9), rng) is None
    assert compare("mode", sides([], ["L", "RGB"]), rng) is None
    assert compare("mode", sides(["L", "RGB"], []), rng) is None
    assert compare("mode", [], rng) is None
    assert compare("codec", sides(["L"], ["RGB"]), rng) is None


def test_rare_values_are_told_together() -> None:
    modes = [f"{index:03d}" for index in range(CATEGORIES_AT_MOST + 3)]
    found = compared(modes, [*modes[:-1], "000"])
    assert len(found.names) == CATEGORIES_AT_MOST + 1
    assert found.names[-1] == "one of 3 rarer values"
    assert found.counts[:, -1].tolist() == [3, 2]
    assert found.counts.sum(1).tolist() == [len(modes)] * 2
    assert compared(modes[:CATEGORIES_AT_MOST], modes[:CATEGORIES_AT_MOST]).names == modes[:CATEGORIES_AT_MOST]


def test_few_images_are_told_where_half_of_them_differ() -> None:
    assert few_to_compare(7, 90, 0.5)
    assert few_to_compare(90, 7, 0.5)
    assert not few_to_compare(8, 8, 1.0)
    assert not few_to_compare(7, 7, 0.49)
    found = judge(compared(of(4, carry=0), of(4, carry=4)), tests=1)
    assert found is not None
    assert found.gravity == "note"
    assert found.sentence == "mode: L on 100% of 4 fakes and 0% of 4 reals; too few images to rule out chance"
    sure = judge(compared(of(7, carry=0), of(70, carry=70)), tests=1)
    assert sure is not None
    assert (sure.gravity, "too few" in sure.sentence) == ("leak", False)


def test_a_sentence_is_of_what_is_there_and_of_the_fakes_first() -> None:
    found = judge(compared(["none"] * 50, ["none"] * 20 + ["quality 90"] * 20 + ["quality 95"] * 10), tests=1)
    assert found is not None
    assert found.sentence == "mode: quality 90 on 40% of 50 fakes and 0% of 50 reals"
    swapped = judge(compared(["none"] * 20 + ["quality 90"] * 30, ["none"] * 50), tests=1)
    assert swapped is not None
    assert swapped.sentence == "mode: quality 90 on 0% of 50 fakes and 60% of 50 reals"
    even = judge(compared(of(50, carry=50), of(50, carry=0)), tests=1)
    assert even is not None
    assert even.sentence.startswith("mode: RGB on 100% of 50 fakes")  # of two gaps of one size that of the fakes
    assert found.figures["real"] == {"none": 50, "quality 90": 0, "quality 95": 0}
    assert found.figures["fake"] == {"none": 20, "quality 90": 20, "quality 95": 10}


def traced(n: int, *, apart: float, groups: int = 0) -> list[AuditedImage]:
    """Two measures of each image, of which the second tells the sides apart."""
    rng = np.random.default_rng(0)
    return [
        image(
            side,
            group=f"{side}-{index % groups}" if groups else "",
            measures={"noise": rng.normal(), "grid": rng.normal() + apart * (side == "fake")},
        )
        for side in ("real", "fake")
        for index in range(n)
    ]  # fmt: skip


def test_a_probe_names_the_trace_that_tells() -> None:
    found = probe(traced(20, apart=4.0), np.random.default_rng(0))
    assert found is not None
    assert found.strongest == "grid"
    assert found.ap > 0.95
    assert (found.n_real, found.n_fake, found.prevalence) == (20, 20, 0.5)
    assert "strongest trace is grid" in probe_findings(found, {"real": 20, "fake": 20})[0].sentence
    alike = probe(traced(60, apart=0.0), np.random.default_rng(0))
    assert alike is not None
    assert probe_findings(alike, {"real": 60, "fake": 60}) == []
    nothing = probe(sides(["L"] * 20, ["L"] * 20), np.random.default_rng(0))
    assert nothing is not None
    assert (nothing.ap, nothing.features, nothing.strongest) == (pytest.approx(0.5), (), "")


def test_nineteen_of_a_side_are_too_few_for_a_probe() -> None:
    for fewer in ("real", "fake"):
        images = traced(20, apart=4.0)
        images.remove(next(one for one in images if one.side == fewer))
        assert probe(images, np.random.default_rng(0)) is None
    (note,) = probe_findings(None, {"real": 19, "fake": 20})
    assert (note.gravity, note.figures) == ("note", {"real": 19, "fake": 20})
    assert "19 reals and 20 fakes, 20 of each are needed" in note.sentence


def test_what_a_probe_sees_varies_in_more_than_one_of_a_hundred() -> None:
    common, rare = sides(of(100, carry=2), of(100, carry=1)), sides(of(100, carry=2), of(100, carry=0))
    assert set(_features(common)) == {"mode: L", "mode: RGB"}
    assert set(_features(rare)) == {"mode: L", "mode: RGB"}  # 2 of 200 are one in a hundred
    assert not _features(sides(of(100, carry=1), of(100, carry=0)))
    column = _features([*sides(["L"], ["RGB"]), image("fake", measures={"grid": 3.0})])
    assert {name: values.tolist() for name, values in column.items()} == {
        "grid": [0, 0, 3],
        "mode: ": [0, 0, 1],
        "mode: L": [1, 0, 0],
        "mode: RGB": [0, 1, 0],
    }


def test_folders_are_held_together_where_each_fold_can_have_two_of_a_side() -> None:
    images = traced(60, apart=0.0, groups=10)
    assert _groups(images) == [one.group for one in images]
    assert _groups(traced(60, apart=0.0, groups=9)) is None
    assert _groups(traced(20, apart=0.0)) is None
    assert _groups(traced(20, apart=0.0, groups=20)) is None  # each by itself: folders say nothing
