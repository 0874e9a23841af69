from __future__ import annotations

import dataclasses
import io
import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fakeoff.arena.errors import DataError
from fakeoff.arena.images import Pixels, quantise, save_png
from fakeoff.arena.images.reals import orl_faces
from fakeoff.arena.players.specs import find_weights
from fakeoff.arena.seeds import rng_from
from fakeoff.generators.pgan import ProgressiveGAN
from fakeoff.protocols.forensics.audit import audit_folders, audit_pools
from fakeoff.protocols.forensics.report import AuditReport
from fakeoff.protocols.rules import referee

Change = Callable[[Image.Image], Image.Image]


@pytest.fixture(scope="module")
def photographs() -> Pixels:
    """160 photographs of 16 people, at 64 px."""
    return orl_faces().load("train", resolution=64, colour="grey")[:160]


@pytest.fixture(scope="module")
def gan_fakes() -> Pixels:
    weights = find_weights("pgan-orl-64", ProgressiveGAN)
    generator = referee.build_generator({"plugin": "pgan", "parameters": {}}, places={"weights": str(weights)})
    return quantise(referee.draw(generator, 120, rng=rng_from("audit", "test")).images, colour="grey")


def each(pixels: Pixels, change: Change) -> Pixels:
    return np.stack([np.asarray(change(Image.fromarray(image)).convert("RGB")) for image in pixels])


def jpeg(quality: int) -> Change:
    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return change


def leaks(report: AuditReport) -> set[str]:
    return {finding.check for finding in report.leaks}


def test_a_gans_fakes_against_photographs_of_the_same_pipeline_are_clean(
    photographs: Pixels, gan_fakes: Pixels
) -> None:
    report = audit_pools({"train": photographs}, {"train": gan_fakes})
    assert report.findings == ()
    assert report.probe is not None
    assert report.probe.ap_interval[0] < 0.5 < report.probe.ap_interval[1] + 0.05


def test_halves_of_the_same_photographs_are_clean(photographs: Pixels) -> None:
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(160)
        report = audit_pools({"all": photographs[order[:80]]}, {"all": photographs[order[80:]]}, seed=seed)
        assert not report.leaks


PLANTED: dict[str, tuple[str, Change]] = {
    "JPEG 75": ("JPEG history", jpeg(75)),
    "JPEG 95": ("JPEG history", jpeg(95)),
    "JPEG 98": ("JPEG history", jpeg(98)),
    "48 to 64": ("interpolation", lambda i: i.resize((48, 48), Image.Resampling.LANCZOS).resize((64, 64), 3)),
    "4 bits": ("histogram", lambda i: i.point([level // 16 * 17 for level in range(256)] * 3)),
    "contrast": ("histogram", lambda i: i.point([min(255, round(1.2 * level)) for level in range(256)] * 3)),
    "size": ("size", lambda i: i.crop((0, 0, 60, 60))),
    "tint": ("colours", lambda i: i.point([*range(256), *range(256), *(max(0, x - 9) for x in range(256))])),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_difference_of_pixels_is_a_leak(photographs: Pixels, planted: str) -> None:
    check, change = PLANTED[planted]
    report = audit_pools({"all": photographs[:80]}, {"all": each(photographs[80:], change)})
    assert {check, "probe"} <= leaks(report)
    assert report.probe is not None
    assert report.probe.ap > 0.95
    finding = next(finding for finding in report.leaks if finding.check == check)
    assert "100% of 80" in finding.sentence
    assert finding.figures["p"] < 0.001


def test_a_leak_of_the_reals_is_one_as_well(photographs: Pixels) -> None:
    report = audit_pools({"all": each(photographs[:80], jpeg(95))}, {"all": photographs[80:]})
    assert leaks(report) == {"JPEG history", "probe"}
    assert "on 0% of 80 fakes and 100% of 80 reals" in report.leaks[0].sentence


def test_the_same_history_on_both_sides_is_clean(photographs: Pixels) -> None:
    both = each(photographs, jpeg(90))
    assert not audit_pools({"all": both[:80]}, {"all": both[80:]}).leaks


def test_jpeg_of_another_quality_is_a_leak(photographs: Pixels) -> None:
    report = audit_pools({"all": each(photographs[:80], jpeg(75))}, {"all": each(photographs[80:], jpeg(95))})
    assert "JPEG history" in leaks(report)


def test_blur_is_no_format(photographs: Pixels) -> None:
    # A generator may be as blurred as it likes.
    blurred = each(photographs[80:], lambda image: image.filter(ImageFilter.GaussianBlur(1)))
    assert not audit_pools({"all": photographs[:80]}, {"all": blurred}).leaks


def test_a_period_that_may_be_the_generators_own_is_only_a_note(photographs: Pixels) -> None:
    enlarged = each(photographs[80:], PLANTED["48 to 64"][1])
    noise = np.random.default_rng(0).normal(0, 1, (80, 64, 64, 1))
    noisy = (enlarged + noise).round().clip(0, 255).astype(np.uint8)
    report = audit_pools({"all": photographs[:80]}, {"all": noisy})
    assert not report.leaks
    (note,) = [finding for finding in report.findings if finding.check == "periodicity"]
    assert note.gravity == "note"
    assert "the fakes repeat every 4 rows" in note.sentence
    assert "cannot tell which" in note.sentence


def test_the_same_seed_gives_the_same_report(photographs: Pixels, gan_fakes: Pixels) -> None:
    reports = [audit_pools({"a": photographs[:60]}, {"a": gan_fakes[:60]}, seed=3) for _ in range(2)]
    assert reports[0] == reports[1]
    assert json.loads(json.dumps(dataclasses.asdict(reports[0])))["seed"] == 3


def test_duplicates_across_sides_and_splits(photographs: Pixels, gan_fakes: Pixels) -> None:
    mirrored = photographs[:, :, ::-1]
    report = audit_pools(
        {"train": photographs[:30], "test": np.concatenate([photographs[30:50], photographs[3:4], mirrored[7:8]])},
        {"train": np.concatenate([gan_fakes[:30], photographs[5:6]]), "test": gan_fakes[29:50]},
    )
    found = {(f.check, f.gravity): f for f in report.findings if "duplicates" in f.check}
    sentences = sorted(f"{f.gravity}: {f.sentence}" for f in report.findings if "duplicates" in f.check)
    assert sentences == [
        "leak: nearly the same picture in two splits of the reals: 1 pair, real/test/00021 = real/train/00007",
        "leak: the same pixels in reals and fakes: 1 pair, real/train/00005 = fake/train/00030",
        # A detector that knows pictures by heart would be right on "held-out" fakes.
        "leak: the same pixels in two splits of the fakes: 1 pair, fake/train/00029 = fake/test/00000",
        "leak: the same pixels in two splits of the reals: 1 pair, real/train/00003 = real/test/00020",
    ]
    assert ("near duplicates", "leak") in found


def test_few_images_are_said_to_be_few(photographs: Pixels) -> None:
    report = audit_pools({"all": photographs[:4]}, {"all": each(photographs[4:8], jpeg(90))})
    assert not report.leaks
    assert report.probe is None
    sentences = " ".join(finding.sentence for finding in report.findings)
    assert "too few images to rule out chance" in sentences
    assert "too few images for the probe" in sentences


@pytest.fixture
def sides(photographs: Pixels, tmp_path: Path) -> tuple[Path, Path]:
    """Two clean folders of 40 different photographs each, as PNG."""
    save_png(photographs[:40], tmp_path / "real", prefix="r")
    save_png(photographs[40:80], tmp_path / "fake", prefix="f")
    return tmp_path / "real", tmp_path / "fake"


def rewrite(folder: Path, save: Callable[[Image.Image, Path], None]) -> None:
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as opened:
            image = opened.copy()
        path.unlink()
        save(image, path)


def test_clean_folders(sides: tuple[Path, Path]) -> None:
    report = audit_folders(*sides)
    assert report.findings == ()
    assert (report.real.images, report.fake.images) == ({"all": 40}, {"all": 40})


SAVED: dict[str, tuple[set[str], Callable[[Image.Image, Path], None]]] = {
    "jpg": ({"file format", "JPEG history"}, lambda i, p: i.save(p.with_suffix(".jpg"), quality=95)),
    "alpha": ({"mode"}, lambda i, p: i.convert("RGBA").save(p)),
    "grey mode": ({"mode"}, lambda i, p: i.convert("L").save(p)),
    "palette": ({"mode", "histogram"}, lambda i, p: i.quantize(16).save(p)),
    "dpi": ({"resolution (dpi)"}, lambda i, p: i.save(p, dpi=(72, 72))),
    "icc": ({"ICC profile"}, lambda i, p: i.save(p, icc_profile=b"a profile")),
    "wrong extension": ({"file extension"}, lambda i, p: i.save(p.with_suffix(".jpg"), format="PNG")),
}


@pytest.mark.parametrize("how", SAVED)
def test_a_difference_of_files_is_a_leak(sides: tuple[Path, Path], how: str) -> None:
    checks, save = SAVED[how]
    rewrite(sides[1], save)
    report = audit_folders(*sides)
    assert checks | {"probe"} <= leaks(report)
    sentence = next(finding.sentence for finding in report.leaks if finding.check in checks)
    assert "100% of 40 fakes and 0% of 40 reals" in sentence


def test_jpeg_saved_again_as_png_is_still_seen(sides: tuple[Path, Path]) -> None:
    rewrite(sides[1], lambda image, path: jpeg(95)(image).save(path))
    assert leaks(audit_folders(*sides)) == {"JPEG history", "probe"}


def test_jpegs_from_two_encoders_differ_by_their_tables(sides: tuple[Path, Path]) -> None:
    for folder, options in zip(sides, ({"subsampling": 0}, {"progressive": True, "subsampling": 2}), strict=True):
        rewrite(folder, lambda image, path, o=options: image.save(path.with_suffix(".jpg"), quality=90, **o))
    assert {"JPEG scan", "JPEG chroma subsampling"} <= leaks(audit_folders(*sides))


def test_splits_are_folders_and_copies_across_them_are_leaks(sides: tuple[Path, Path]) -> None:
    real, fake = sides
    (real / "train").mkdir()
    (real / "test").mkdir()
    for index, path in enumerate(sorted(real.glob("*.png"))):
        path.rename(real / ("train" if index < 20 else "test") / path.name)
    shutil.copy(real / "train" / "r-00004.png", real / "test" / "copy.png")
    report = audit_folders(real, fake)
    assert report.real.images == {"test": 21, "train": 20}
    (leak,) = report.leaks
    assert leak.figures["same_bytes"] == 1
    assert "real/train/r-00004.png" in leak.sentence


def test_a_shifted_grid_is_found_where_no_two_images_are_of_one_size(photographs: Pixels, tmp_path: Path) -> None:
    for index, image in enumerate(photographs[:80]):
        size = 150 + index % 40, 140 + 2 * (index % 40)
        large = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
        noise = np.random.default_rng(index).normal(0, 4, (*size[::-1], 1))  # or it would only be smooth
        large = Image.fromarray((np.asarray(large) + noise).round().clip(0, 255).astype(np.uint8))
        side = tmp_path / ("real" if index < 40 else "fake")
        side.mkdir(exist_ok=True)
        if side.name == "fake":
            large = jpeg(90)(large)
        large.crop((3, 5, *size)).save(side / f"{index:02d}.png")
    report = audit_folders(tmp_path / "real", tmp_path / "fake")
    assert leaks(report) == {"JPEG history", "probe"}
    assert "its grid beginning at row 3, column 5 on 100% of 40 fakes and 0% of 40 reals" in report.leaks[0].sentence


def test_the_memory_of_an_image_is_a_few_kilobytes() -> None:
    n = 3000
    pools = [np.random.default_rng(side).integers(0, 256, (n, 40, 40, 3), dtype=np.uint8) for side in (0, 1)]
    audit_pools({"all": pools[0][:40]}, {"all": pools[1][:40]})  # imports and tables
    tracemalloc.start()
    try:
        report = audit_pools({"all": pools[0]}, {"all": pools[1]})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.measured == 2 * 256
    # What is measured takes 30 MB, however many images there are.
    assert peak < 30e6 + 2 * n * 4e3


def test_another_image_stands_in_for_a_damaged_one_that_was_drawn(
    sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakeoff.protocols.forensics.sides._MEASURED_AT_MOST", 30)
    for path in sorted(sides[0].glob("*.png"))[:8]:
        path.write_bytes(path.read_bytes()[:200])
    report = audit_folders(*sides)
    assert (report.real.images, report.measured) == ({"all": 32}, 60)


OUT = "a link out of the folder: give a folder that holds both, or copy it in"


def test_damaged_files_are_left_out_and_named(sides: tuple[Path, Path]) -> None:
    real, fake = sides
    whole = (real / "r-00000.png").read_bytes()
    (real / "cut.png").write_bytes(whole[: len(whole) // 2])
    (fake / "notes.txt").write_text("no image")
    (fake / "link.png").symlink_to(real / "r-00000.png")
    (fake / "folder").symlink_to(real)
    report = audit_folders(real, fake)
    assert not report.leaks
    assert [file.name for file in report.real.left_out] == ["cut.png"]
    assert [(file.name, file.reason) for file in report.fake.left_out] == [
        ("folder", OUT),
        ("link.png", OUT),
        ("notes.txt", "not an image"),
    ]
    assert {finding.check for finding in report.findings} == {"left out"}


def test_bad_input_is_refused(sides: tuple[Path, Path], tmp_path: Path) -> None:
    real, _ = sides
    (tmp_path / "empty").mkdir()
    for other, said in (("empty", "no usable image"), ("nowhere", "no folder at"), ("real", "both sides")):
        with pytest.raises(DataError, match=said):
            audit_folders(real, tmp_path / other)
    with pytest.raises(DataError, match="uint8"):
        audit_pools({"a": np.zeros((2, 8, 8), np.uint8)}, {})
    with pytest.raises(DataError, match="no fake images"):
        audit_pools({"a": np.zeros((2, 8, 8, 3), np.uint8)}, {})


def test_tiny_images_do_not_break_it() -> None:
    rng = np.random.default_rng(0)
    tiny = [rng.integers(0, 256, (25, 3, 5, 3), dtype=np.uint8) for _ in range(2)]
    assert not audit_pools({"a": tiny[0]}, {"a": tiny[1]}).leaks
