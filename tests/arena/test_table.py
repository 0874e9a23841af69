from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakeoff.arena.errors import DataError
from fakeoff.arena.images.table import Row, Table, read_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "in/c.png"):
        (tmp_path / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "faces" / name).touch()
    (tmp_path / "out.png").touch()
    return tmp_path / "faces"


def read(folder: Path, text: str | bytes) -> Table:
    path = folder.parent / "t.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(path, root=folder)


def test_a_table_says_who_where_and_what(folder: Path) -> None:
    table = read(folder, "\ufeffpath,group,split,label,more\na.png,ann,Train,real,1\n./in/c.png,bob,valid,FAKE,2\n")
    assert table.rows == {
        "a.png": Row(line=2, group="ann", split="train"),
        "in/c.png": Row(line=3, group="bob", split="val", is_fake=True),
    }
    assert (table.name, table.has_groups, table.has_splits) == ("t.csv", True, True)


def test_paths_count_from_the_folder_or_else_from_the_table(folder: Path) -> None:
    text = f"path,group\nfaces/a.png,ann\n{folder}/b.png,bob\nin/c.png,cem\n"
    assert list(read(folder, text).rows) == ["a.png", "b.png", "in/c.png"]


def test_the_same_row_twice_is_no_contradiction_and_names_need_not_be_text(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xe9.png")).touch()
    assert list(read(folder, b"path,group\n\xe9.png,x\n\xe9.png,x\n").rows) == ["\\xe9.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column 'path'"),
        ("file,group\na.png,x\n", "has no column 'path'"),
        ("path,person\na.png,x\n", "has no column 'group', 'split' or 'label'"),
        ("path,group\n", "has no row"),
        ("path,group\nnowhere.png,x\n", "line 2: there is no 'nowhere.png' in"),
        ("path,group\n../out.png,x\n", "line 2: '../out.png' is not in"),
        ("path,group\n,x\n", "line 2: no path"),
        ("path,group\na.png,\n", "line 2: no group"),
        ("path,split\na.png,tset\n", "line 2: split 'tset'; give train, val or test"),
        ("path,label\na.png,0\n", "line 2: label '0'; give real or fake"),
        ("path,group\na.png,x\nb.png,y\na.png,y\n", "line 4: 'a.png' has another group than in line 2"),
        ("path,split\na.png,val\n./a.png,test\n", "another split than in line 2"),
        ('path,group\n"a.png,x\n', "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_is_one_line_that_says_where(folder: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(folder, text)


def test_a_table_that_is_not_there_is_said_so(folder: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_table(folder / "t.csv", root=folder)
