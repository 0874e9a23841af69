"""Finding pictures, bringing them to the arena's resolution, labels, and what labelled scores are worth."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakeoff.arena.errors import ConfigError, DataError
from fakeoff.protocols.score.metrics import evaluate
from fakeoff.protocols.score.people import Units
from fakeoff.protocols.scoring.figures import LabelledScores, reliability
from fakeoff.protocols.scoring.framing import open_picture
from fakeoff.protocols.scoring.labels import FolderLabels, Label, TableLabels, read_labels
from fakeoff.protocols.scoring.scored import ScoredPicture
from fakeoff.protocols.scoring.sources import Found, Search, find_pictures, read_list


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_a_folder_is_searched_in_depth_by_name_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    touch(tmp_path / "b.png", tmp_path / "a" / "2.JPG", tmp_path / "a" / "1.webp", tmp_path / "c" / "z.bmp")
    touch(tmp_path / ".hidden.png", tmp_path / ".git" / "x.png", tmp_path / "notes.txt", tmp_path / "page.eps")
    (tmp_path / "link.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    search = Search()
    found = [one.name for one in find_pictures([str(tmp_path)], search=search)]
    assert found == [str(tmp_path / name) for name in ("a/1.webp", "a/2.JPG", "b.png", "c/z.bmp", "pipe.png")]
    assert search.left_out == 2  # notes and page
    assert search.repeated == 1  # the link


def test_what_is_named_is_given_whatever_it_is_and_a_list_stands_where_its_dash_is(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "1.png")
    given = ["first", "-", "missing.txt"]
    found = list(find_pictures(given, listed=["x.png", str(tmp_path / "in")]))
    assert found == [Found(name=name) for name in ("first", "x.png", str(tmp_path / "in" / "1.png"), "missing.txt")]


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_a_list_is_any_bytes_and_read_as_it_comes(separator: bytes) -> None:
    names = ["a b.png", "ö.png", os.fsdecode(b"\xff.png")] + (["two\nlines.png"] if separator == b"\0" else [])
    text = separator.join(os.fsencode(name) for name in ["", *names, ""])
    assert list(read_list(io.BytesIO(text), separator=separator)) == names

    class Slow(io.RawIOBase):
        """Gives one entry, and must not be asked again before that is taken."""

        def __init__(self) -> None:
            self.asked = 0

        def read1(self, size: int) -> bytes:
            self.asked += 1
            return b"one.png" + separator

    slow = Slow()
    assert next(read_list(slow, separator=separator)) == "one.png"  # type: ignore[arg-type]
    assert slow.asked == 1


def test_a_list_on_windows_and_what_is_no_list() -> None:
    assert list(read_list(io.BytesIO(b"a.png\r\nb.png"))) == ["a.png", "b.png"]
    with pytest.raises(DataError, match="longer than 65536 bytes"):
        list(read_list(io.BytesIO(b"x" * 200_000)))


def test_why_a_picture_cannot_be_read(tmp_path: Path) -> None:
    touch(tmp_path / "text.png")
    (tmp_path / "empty.png").write_bytes(b"")
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "half.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "half.png").read_bytes()[:600])
    os.mkfifo(tmp_path / "pipe")
    reasons = {
        "text.png": "not an image",
        "empty.png": "an empty file",
        "half.png": "damaged",
        "pipe": "not a file",
        ".": "a folder",
        "missing": "no such file",
        "text.png/below": "no such file",
        "nul\0": "cannot be read",
        "x" * 300: "cannot be read: File name too long",
    }
    for name, reason in reasons.items():
        with pytest.raises(DataError, match=reason):
            open_picture(f"{tmp_path}/{name}")


def test_a_file_is_the_same_picture_read_at_once_or_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb, rgba = Image.fromarray(noise[..., :3]), Image.fromarray(noise)
    rgb.save(tmp_path / "turned.jpg", exif=exif)
    rgb.save(tmp_path / "turned.tif", exif=exif)
    rgb.convert("L").save(tmp_path / "grey.bmp")
    rgba.save(tmp_path / "alpha.png")
    rgb.save(tmp_path / "film.gif", save_all=True, append_images=[rgb.rotate(180)])
    names = sorted(str(path) for path in tmp_path.iterdir())
    at_once = [open_picture(name) for name in names]
    monkeypatch.setattr("fakeoff.protocols.scoring.framing._READ_AT_ONCE", 0)
    for name, image in zip(names, at_once, strict=True):
        assert image.mode == ("L" if name.endswith("bmp") else "RGB")
        assert image.size == ((24, 40) if "turned" in name else (40, 24))
        np.testing.assert_array_equal(np.asarray(image), np.asarray(open_picture(name)))


def test_folders_say_what_lies_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("real", "fake", "fake2"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    labels = FolderLabels(Path("real"), tmp_path / "fake")
    assert labels.of("real/x.png") == labels.of(str(tmp_path / "real" / "deep" / "x.png")) == Label(truth="real")
    assert labels.of("./fake/../fake/x.png") == Label(truth="fake")
    assert labels.of("fake2/x.png") is None
    assert list(labels.pictures()) == ["real", str(tmp_path / "fake")]
    for second in ("real", "./real/", "."):
        with pytest.raises(ConfigError, match="hold the same pictures"):
            FolderLabels(Path("real"), Path(second))
    with pytest.raises(ConfigError, match="no folder at 'none'"):
        FolderLabels(Path("real"), Path("none"))


def test_a_table_says_truth_and_person_from_its_own_folder(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text('\ufeffpicture,note,person,label\n"a, b.png",x,ann,real\n/abs/c.png,,bob,fake\n')
    labels = TableLabels(table)
    assert labels.of(str(tmp_path / "a, b.png")) == Label(truth="real", person="ann")
    assert labels.of("/abs/c.png") == Label(truth="fake", person="bob")
    assert labels.of("a, b.png") is None
    assert list(labels.pictures()) == [str(tmp_path / "a, b.png"), "/abs/c.png"]
    table.write_text("picture,label\na.png,real\na.png,real\nb.png,fake\n")
    assert not read_labels([table]).has_people


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("picture\na.png\n", "no column 'label'"),
        ("", "no column 'picture'"),
        ("picture,label\n", "has no row"),
        ("picture,label\na.png,1\n", "line 2: label '1'; give real or fake"),
        ("picture,label\na.png\n", "line 2: label ''"),
        ("picture,label,person\na.png,real,\n", "line 2: no person"),
        ("picture,label\na.png,real\n./a.png,fake\n", "line 3: './a.png' was there before"),
        ('picture,label\n"a.png,real\n', "cannot be read as CSV"),
        ("picture,label\na.png,real\n", "no row with label 'fake'; AP and AUC need both sides"),
        ("picture,label,person\na.png,real,ann\nb.png,fake,ann\n", "all rows of .* are of one person, 'ann'"),
    ],
)
def test_a_table_that_is_none_is_said_with_its_line(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=expected):
        read_labels([tmp_path / "labels.csv"])


def test_a_picture_that_is_reached_twice_comes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a" / "1.png", tmp_path / "a" / "deep" / "2.png", tmp_path / "3.png")
    monkeypatch.chdir(tmp_path)
    search = Search()
    found = find_pictures(["a", "a/deep", "./3.png", "-"], listed=[str(tmp_path / "3.png"), "none.png"], search=search)
    assert [one.name for one in found] == ["a/1.png", "a/deep/2.png", "./3.png", "none.png"]
    assert (search.repeated, search.empty) == (2, 0)


def test_labels_are_two_folders_or_a_file(tmp_path: Path) -> None:
    for given in ([tmp_path], [tmp_path] * 3):
        with pytest.raises(ConfigError, match="a folder of reals and a folder of fakes, or one CSV file"):
            read_labels(given)
    with pytest.raises(
        DataError, match=r"none\.csv' cannot be read: No such file or directory; give a CSV file, or two folders"
    ):
        read_labels([tmp_path / "none.csv"])


def test_a_reliability_diagram_weighs_both_sides_the_same() -> None:
    # Of the reals three quarters lie in the first bin, of the fakes a half: 2 / 5 is the share there.
    first, last = reliability(np.array([0.0, 0.05, 0.05, 1.0]), np.array([0.02, 0.96]))
    assert (first.n_real, first.n_fake, last.n_real, last.n_fake) == (3, 1, 1, 1)
    assert first.share_fake == pytest.approx(0.5 / 1.25)
    assert last.share_fake == pytest.approx(0.5 / 0.75)
    assert first.p_fake == pytest.approx((0.1 / 4 + 0.02 / 2) / 1.25)
    assert last.p_fake == pytest.approx((1.0 / 4 + 0.96 / 2) / 0.75)


def test_intervals_over_people_are_wider_where_a_persons_pictures_agree() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(10), 20)
    real = 0.4 + 0.3 * rng.standard_normal(10)[people]
    fake = 0.6 + 0.3 * rng.standard_normal(10)[people]

    def interval(who: tuple[np.ndarray, np.ndarray] | None) -> tuple[float, float]:
        units = None if who is None else Units(n_real=200, n_fake=200, real=who[0], fake=(who[1],))
        given = {"val_threshold": 0.5, "resamples": 300, "confidence": 0.95, "seed": 1}
        found = evaluate(real, fake, **given, units=units).figures
        low, high = found.auc_ci
        assert low <= found.auc <= high
        return low, high

    images, persons = interval(None), interval((people, people + 10))
    assert persons[1] - persons[0] > 2 * (images[1] - images[0])
    # Each picture a person of its own on both sides at once is nearly the bootstrap over pictures.
    alone = interval((np.arange(200), np.arange(200, 400)))
    assert alone[1] - alone[0] == pytest.approx(images[1] - images[0], rel=0.25)


def test_one_person_on_either_side_says_nothing_of_others() -> None:
    found = evaluate(
        np.array([0.1, 0.2]),
        np.array([0.9, 0.8]),
        val_threshold=0.5,
        resamples=100,
        confidence=0.9,
        seed=0,
        units=Units(n_real=2, n_fake=2, real=np.array([0, 0]), fake=(np.array([1, 1]),)),
    ).figures
    assert found.ap == found.auc == found.accuracy == 1
    low, high = found.auc_ci
    assert low < 0.1
    assert high == 1


def row(picture: str, p_fake: float | None) -> ScoredPicture:
    return ScoredPicture(picture=picture, detector="d@0", p_fake=p_fake, threshold=0.4)


def test_figures_are_of_pictures_with_a_label_and_a_score(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [f"{truth}{index}.png,{truth},{index % 5}" for truth in ("real", "fake") for index in range(20)]
    table.write_text("\n".join(["picture,label,person", *rows, "broken.png,fake,9"]))
    collected = LabelledScores(TableLabels(table))
    for index in range(20):
        collected.add(row(str(tmp_path / f"real{index}.png"), 0.02 * index))
        collected.add(row(str(tmp_path / f"fake{index}.png"), 0.41 + 0.02 * index))
    collected.add(row(str(tmp_path / "broken.png"), None))
    collected.add(row(str(tmp_path / "unknown.png"), 0.0))
    [found] = collected.evaluate(resamples=100, confidence=0.95)
    assert (found.detector, found.threshold, found.unit, found.units) == ("d@0", 0.4, "person", 5)
    assert (found.figures.n_real, found.figures.n_fake) == (20, 20)
    assert found.figures.auc == 1
    assert found.figures.accuracy_val_threshold == pytest.approx(1)
    assert sum(each.n_real + each.n_fake for each in found.reliability) == 40


def test_figures_need_both_sides_and_two_people(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("picture,label,person\na.png,real,ann\nb.png,fake,ann\nnone.png,fake,bob\n")
    collected = LabelledScores(TableLabels(table))
    with pytest.raises(DataError, match="none of the labelled pictures was judged"):
        collected.evaluate(resamples=100, confidence=0.95)
    collected.add(row(str(tmp_path / "a.png"), 0.1))
    with pytest.raises(DataError, match=r"no labelled fake was judged by d@0; AP and AUC need both sides"):
        collected.evaluate(resamples=100, confidence=0.95)
    collected.add(row(str(tmp_path / "b.png"), 0.1))
    with pytest.raises(DataError, match="all labelled pictures are of one person, 'ann'"):
        collected.evaluate(resamples=100, confidence=0.95)
