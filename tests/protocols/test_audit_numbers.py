"""Numbers such as a picture's width are compared as numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import ks_2samp

from fakeoff.protocols.forensics.audit import audit_folders
from fakeoff.protocols.forensics.comparing_numbers import compare_numbers, judge_numbers
from fakeoff.protocols.forensics.report import AuditReport, Finding, Probe, SideName
from fakeoff.protocols.forensics.sides import AuditedImage


def image(side: SideName, width: int, height: int, *, file_bytes: int | None = None) -> AuditedImage:
    return AuditedImage(
        name=f"{side}/{width}x{height}",
        side=side,
        split="all",
        size=(height, width),
        thumbnail=b"",
        pixels_sha256=b"",
        group="",
        file_bytes=file_bytes,
    )


def images(real: npt.NDArray[np.int64], fake: npt.NDArray[np.int64]) -> list[AuditedImage]:
    """Images 100 high of given widths."""
    return [image("real", int(w), 100) for w in real] + [image("fake", int(w), 100) for w in fake]


def write(folder: Path, shapes: npt.NDArray[np.int64], *, seed: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for index, (height, width) in enumerate(shapes.tolist()):
        Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)).save(folder / f"{index:02d}.png")


def audited(root: Path, real: npt.NDArray[np.int64], fake: npt.NDArray[np.int64]) -> AuditReport:
    write(root / "real", real, seed=0)
    write(root / "fake", fake, seed=1)
    return audit_folders(root / "real", root / "fake")


def differing(low: int, high: int, *, seed: int) -> npt.NDArray[np.int64]:
    """24 heights and widths, no two of them the same."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.choice(np.arange(low, high), 24, replace=False) for _ in range(2)], axis=1)


def test_sizes_that_all_differ_are_a_leak_where_one_side_is_larger(tmp_path: Path) -> None:
    report = audited(tmp_path, differing(100, 160, seed=0), differing(164, 224, seed=1))
    found = {finding.check: finding for finding in report.leaks}
    assert set(found) == {"width", "height", "probe"}
    assert found["width"].figures["auc"] == 1
    assert found["width"].figures["auc_interval"][0] > 0.8
    assert "on 24 fakes and 10" in found["width"].sentence
    assert "AUC 1.000" in found["width"].sentence


def test_more_sizes_than_are_told_by_one_are_told_as_numbers(tmp_path: Path) -> None:
    real, fake = (np.repeat(np.arange(least, least + 48)[:, None], 2, axis=1) for least in (64, 170))
    found = {finding.check: finding for finding in audited(tmp_path, real, fake).leaks}
    assert set(found) == {"width", "height", "probe"}
    assert found["width"].figures["auc"] == 1


def test_sizes_that_all_differ_alike_are_none(tmp_path: Path) -> None:
    assert not audited(tmp_path, differing(100, 160, seed=0), differing(100, 160, seed=1)).leaks


def test_a_size_that_is_told_as_one_is_not_told_again_as_numbers(tmp_path: Path) -> None:
    report = audited(tmp_path, np.full((24, 2), 64), np.full((24, 2), 60))
    assert {finding.check for finding in report.findings} == {"size", "probe"}


def test_more_than_fifty_values_are_told_by_a_name(tmp_path: Path) -> None:
    # All fakes are of one size; the reals have 60 sizes.
    rng = np.random.default_rng(0)
    real = np.stack([rng.permutation(60) + 40, rng.permutation(60) + 40], axis=1)
    report = audited(tmp_path, real, np.full((60, 2), 70))
    (size,) = [finding for finding in report.findings if finding.check == "size"]
    assert "70x70 on 100% of 60 fakes" in size.sentence
    assert "another" not in size.figures["real"]
    assert size.figures["real"]["one of 11 rarer values"] == 11


def test_bytes_per_pixel_are_content_as_well_and_only_a_note() -> None:
    rng = np.random.default_rng(0)
    both = [image("real", 64, 64, file_bytes=int(n)) for n in rng.integers(2000, 2500, 30)]
    both += [image("fake", 64, 64, file_bytes=int(n)) for n in rng.integers(1000, 1500, 30)]
    (finding,) = judge_numbers(compare_numbers(both), tests=10, seed=0, found=[])
    assert (finding.check, finding.gravity) == ("bytes per pixel", "note")
    assert "cannot tell which" in finding.sentence
    assert judge_numbers(compare_numbers(both), tests=10, seed=0, found=[finding]) == []  # what explains it was told


def test_of_few_images_it_is_said_that_they_are_few_and_of_all_what_they_range_over() -> None:
    def told(real: list[int], fake: list[int]) -> Finding:
        compared = [one for one in compare_numbers(images(np.array(real), np.array(fake))) if one.check == "width"]
        (finding,) = judge_numbers(compared, tests=1, seed=0, found=[])
        return finding

    few = told([60, 64, 70, 90], [100, 100, 100, 100])
    assert few.gravity == "note"
    assert few.sentence.startswith(
        "width: 100 on 4 fakes and 60 to 90 (median 67) on 4 reals; alone it has AUC 1.000 ("
    )
    assert few.sentence.endswith("; too few images to rule out chance")
    assert (few.figures["real"], few.figures["fake"]) == ([60, 67, 90], [100, 100, 100])
    many = told(list(range(60, 90)), list(range(100, 130)))
    assert (many.gravity, "too few" in many.sentence) == ("leak", False)
    one_sided = told([60] * 7, list(range(100, 200)))
    assert (one_sided.gravity, "too few" in one_sided.sentence) == ("leak", False)
    assert many.figures["distance_by_chance"] == pytest.approx(0.8687 * (2 / 30) ** 0.5)


@given(st.lists(st.tuples(st.integers(90, 130), st.integers(100, 140)), min_size=8, max_size=40))
@settings(max_examples=30, deadline=None)
def test_it_is_the_test_of_kolmogorov_and_smirnov_and_where_it_matters_never_more_sure_than_the_exact_one(
    widths: list[tuple[int, int]],
) -> None:
    real, fake = np.array(widths).T
    for compared in compare_numbers(images(real, fake)):
        if compared.check == "width":
            exact = ks_2samp(real, fake, method="exact")
            assert compared.distance == pytest.approx(exact.statistic)
            assert compared.p >= exact.pvalue or exact.pvalue > 0.05


def test_chance_is_called_a_leak_as_seldom_as_is_promised() -> None:
    flagged = 0
    for seed in range(400):
        widths = np.random.default_rng(seed).integers(60, 200, 60)
        compared = compare_numbers(images(widths[:20], widths[20:]))
        flagged += bool(judge_numbers(compared, tests=len(compared), seed=0, found=[]))
    assert flagged <= 10  # 1% of 400 is 4


def test_a_probe_below_chance_is_at_most_chance() -> None:
    def probe(*interval: float) -> Probe:
        return Probe(ap=0.42, ap_interval=interval, prevalence=0.5, n_real=9, n_fake=9, features=(), strongest="")

    assert probe(0.37, 0.47).worth == "AP at most chance, which has 0.500"
    assert probe(0.37, 0.51).worth == "AP 0.420 (0.370 to 0.510); chance has 0.500"
