from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeoff.arena.errors import ConfigError, DataError
from fakeoff.arena.images import patterns
from fakeoff.arena.images.patterns import find_groups
from fakeoff.arena.images.splits import (
    SPLITS,
    Grouping,
    Layout,
    Split,
    assign_splits,
    below_splits,
    doubt_of_test,
    given_people,
    given_splits,
    read_layout,
    split_named,
)


def people(*folders: str, pictures: int = 2) -> list[str]:
    return [f"{folder}/{number}.png" for folder in folders for number in range(pictures)]


def read(names: list[str], grouping: Grouping | None = None) -> Layout:
    return read_layout(names, grouping or Grouping())


def split_of(layout: Layout) -> dict[str, Split]:
    return dict(zip(layout.groups, layout.splits, strict=True))


SPLIT = people("train/a", "train/b", "val/c", "test/d")


@given(who=st.sets(st.text("abcdefgh0123", min_size=1, max_size=6), min_size=3, max_size=40))
@settings(max_examples=50, deadline=None)
def test_folders_of_people_are_divided_by_their_names_as_ever(who: set[str]) -> None:
    named = {person for person in who if not split_named(person)}
    if len(named) < 3:
        return
    layout = read(people(*sorted(named)))
    assert split_of(layout) == assign_splits(named)
    assert layout.people == len(named)


@pytest.mark.parametrize(
    "folders", [("train", "val", "test"), ("Train", "VALID", "Test"), ("training", "validation", "testing")]
)
def test_folders_of_splits_are_the_split_in_whatever_case_they_are_called(folders: tuple[str, str, str]) -> None:
    train, val, test = folders
    layout = read(people(f"{train}/a", f"{train}/b", f"{val}/c", f"{test}/d"))
    assert split_of(layout) == {f"{train}/a": "train", f"{train}/b": "train", f"{val}/c": "val", f"{test}/d": "test"}
    given_by = " ".join(f"{folder}/" for folder in sorted(folders))
    assert layout.describe() == (
        f"8 images of 4 people in 4 folders; split given by {given_by}: 4 train, 2 val, 2 test"
    )


def test_splits_below_one_folder_that_holds_all_are_found() -> None:
    layout = read([f"real/{name}" for name in SPLIT])
    assert split_of(layout) == {f"real/{name.rpartition('/')[0]}": name.partition("/")[0] for name in SPLIT}


def test_a_folder_that_was_passed_through_is_named_since_it_might_be_a_person() -> None:
    assert "6 images of 3 people (folders in ann/) in 3 folders" in read(people("ann/x", "ann/y", "ann/z")).describe()


def test_pictures_that_lie_in_a_split_itself_stand_each_for_itself() -> None:
    layout = read(["train/1.png", "train/2.png", "val/1.png", "test/1.png"])
    assert (layout.people, layout.groups[0]) == (None, "train/1.png")
    assert "4 images, each by itself, in 3 folders" in layout.describe()


def test_a_split_without_val_takes_it_from_the_people_of_train() -> None:
    layout = read(people(*(f"train/{person}" for person in "abcdefgh"), "test/x", "test/y"))
    splits = split_of(layout)
    assert [list(splits.values()).count(split) for split in SPLITS] == [7, 1, 2]
    assert {splits["test/x"], splits["test/y"]} == {"test"}
    assert "val drawn from train by the hash of names" in layout.describe()
    with pytest.raises(DataError, match="too few to draw val from"):
        read(people("train/a", "test/b"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([*SPLIT, "cover.png"], r"1 image lies beside test/ train/ val/ \(cover.png\)"),
        ([*SPLIT, *people("extra/e")], r"2 images lie beside"),
        (people("train/a", "train/b", "val/c"), "no image in test/"),
        (people("test/a", "test/b"), "no image in train/.*FOLDER/test"),
        (people("val/a", "other/b", "third/c"), "lie beside val/"),
        ([*people("x/train/a", "x/test/b"), *people("y/train/c")], r"below others \(x/train/, x/test/\)"),
    ],
)
def test_folders_of_splits_that_are_no_whole_split_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=f"{message}.*--split-folders ignore"):
        read(names)
    if len(names) > 4:
        read([*names, *people("p", "q", "r", "s")], Grouping(split_folders="ignore"))


def test_one_folder_called_as_a_split_deep_below_a_person_is_no_split() -> None:
    assert read(people("ann/test", "bob/may", "cem/june")).people == 3


def test_nobody_is_in_two_splits() -> None:
    twice = [*SPLIT, "test/a/9.png"]
    with pytest.raises(DataError, match=r"'a' is in train and test.*--split-by file"):
        read(twice)
    assert read(twice, Grouping(split_by="file")).people is None
    ignored = read([*twice, *people("val/e")], Grouping(split_folders="ignore"))
    assert len({split for name, split in zip(ignored.groups, ignored.splits, strict=True) if name == "a"}) == 1


def test_a_table_of_splits_needs_train_and_test_and_keeps_people_apart() -> None:
    names = people("a", "b", "c", pictures=1)
    layout = read_layout(names, Grouping(), listed=["train", "val", "test"], listed_by="t.csv")
    assert layout.splits == ("train", "val", "test")
    with pytest.raises(DataError, match=r"t\.csv gives no image to test"):
        read_layout(names, Grouping(), listed=["train", "val", "val"], listed_by="t.csv")
    with pytest.raises(DataError, match="'x' is in train and test"):
        read_layout(names, Grouping(), who=["x", "y", "x"], listed=["train", "val", "test"])


def test_for_an_audit_the_same_names_are_splits_and_nothing_is_refused() -> None:
    names = ["real/Train/a.png", "real/valid/x/b.png", "real/beside.png"]
    assert given_splits(names) == ["train", "val", None]
    assert below_splits(names) == ["a.png", "x/b.png", "real/beside.png"]
    assert given_people(names) == ["real/Train", "real/valid/x", "real"]
    assert given_people(["a/clip/1.png", "b/1.png", "2.png"]) == ["a", "b", "."]
    assert given_splits([]) == given_people([]) == []


def test_a_test_of_few_photographs_or_of_one_person_is_doubted() -> None:
    assert doubt_of_test(80, 8) == doubt_of_test(8, None) == []
    assert "2 real photographs" in doubt_of_test(2, None)[0]
    assert "one person" in doubt_of_test(80, 1)[0]
    few = read(people("train/a", "val/b", "test/c", pictures=9))
    assert few.warnings() == ["warning: test shows one person: figures say nothing about anybody else"]


def test_reals_in_a_folder_of_fakes_are_warned_of() -> None:
    layout = read(
        [f"{split}/{kind}/{n}.png" for split in SPLITS for kind in ("real", "fake") for n in range(9)],
        Grouping(split_by="file"),
    )
    assert layout.warnings() == [
        "warning: 27 images lie in a folder that is called as fakes are, and all are taken for reals"
    ]


class TestPatterns:
    def test_the_first_group_is_who_is_on_it(self) -> None:
        assert find_groups(r"(.+)_(\d+)", ["ann_1.png", "x/bob_b_2.png"]) == ["ann", "x/bob_b"]

    @pytest.mark.parametrize(
        ("pattern", "message"),
        [("(", "no regular expression"), ("a+", "has no group"), ("(a{99999999999})", "no regular expression")],
    )
    def test_a_pattern_that_is_none_is_refused(self, pattern: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            find_groups(pattern, ["a"])

    def test_a_picture_that_it_does_not_fit_is_named(self) -> None:
        with pytest.raises(DataError, match=r"says nobody of bob\.png"):
            find_groups(r"(.+)_\d|(x)", ["ann_1.png", "bob.png"])

    def test_one_that_would_take_for_ever_is_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(patterns, "_SECONDS", 0.5)
        with pytest.raises(ConfigError, match=r"not through 1 names in 0.5 seconds"):
            find_groups(r"((a+)+)$", ["a" * 64 + "!"])

    def test_it_excludes_that_each_stands_for_itself(self) -> None:
        with pytest.raises(ConfigError, match="give one"):
            Grouping(split_by="file", group="(.+)")


@pytest.mark.parametrize(
    "folders",
    [
        ("training_set", "validation_set", "test_set"),
        ("Train-Images", "Dev-Images", "Test-Images"),
        ("train01", "train02", "test01"),
    ],
)
def test_folders_that_are_called_nearly_as_splits_are_no_people(folders: tuple[str, ...]) -> None:
    names = people(*(f"{folder}/{person}" for folder in folders for person in "abc"))
    with pytest.raises(
        DataError, match=r"seem to be a split and are not called as one: call them train/, val/ and test/"
    ):
        read(names)
    assert len(read(names, Grouping(split_folders="ignore")).groups) == len(names)


def test_one_folder_that_is_called_nearly_as_a_split_is_a_person() -> None:
    assert read(people("test01", "ann", "bob")).people == 3


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [("ann", "Ann", "in another case"), ("Zo\u00eb", "Zoe\u0308", "with letters composed in another way")],
)
def test_two_spellings_that_may_be_one_person_are_refused(one: str, other: str, how: str) -> None:
    for names in (people(one, other, "bob", "cem"), people(f"train/{one}", f"test/{other}", "val/bob")):
        with pytest.raises(DataError, match=rf"may be one person, spelt {how}, and would be two"):
            read(names)
    assert read(people(one, other, "bob"), Grouping(split_by="file")).people is None


@pytest.mark.parametrize("names", [people("real", "fake"), people("0_real", "1_fake", pictures=9)])
def test_reals_beside_fakes_are_no_people(names: list[str]) -> None:
    with pytest.raises(DataError, match="seem to be reals and fakes: give the folder of the reals alone"):
        read(names)
    with pytest.raises(DataError, match="if they are reals and fakes, give the reals alone"):
        read(people("train/real", "train/fake", "test/real", "test/fake"))
