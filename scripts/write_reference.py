"""Writes docs/reference.md, the interfaces that a plugin's author meets, from their signatures and docstrings.

python scripts/write_reference.py            writes it
python scripts/write_reference.py --check    exits 1 if it is out of date
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import griffe

from fakeoff.arena.players.static.annotations import type_text

REFERENCE = Path(__file__).parents[1] / "docs" / "reference.md"

# What is covered: by heading, the module that an author imports from, and names in it. Modules that do not exist yet
# are passed over.
COVERED: dict[str, dict[str, tuple[str, ...]]] = {
    "All players": {"fakeoff.arena.players.interface": ("Player",)},
    "Generators": {"fakeoff.generators": ("Generator", "ExtraLoss", "Batch", "Batches", "Plan", "Wanted", "register")},
    "Detectors": {"fakeoff.detectors": ("Detector", "PatchDetector", "ReceptiveField", "register")},
    "Face parsers": {"fakeoff.arena.parsers": ("FaceParser", "PARTS", "BACKGROUND", "LANDMARKS", "register")},
    "Protocols": {
        "fakeoff.protocols": ("Protocol", "register"),
        "fakeoff.protocols.game.bench": ("Bench",),
        "fakeoff.protocols.game.verbs": ("Verbs",),
        "fakeoff.protocols.game.measuring": ("MeasuringVerbs",),
        "fakeoff.protocols.game.own_jobs": ("Results",),
        "fakeoff.protocols.game.line": ("Line",),
        "fakeoff.protocols.record.versions": ("Version", "Forfeit"),
        "fakeoff.protocols.measures": ("Measured", "Match", "Judged", "Cost", "Look", "Shift", "Audit", "Search"),
        "fakeoff.protocols.score.metrics": ("MatchFigures", "DecisionFigures"),
        "fakeoff.protocols.score.calibration": ("Thresholds",),
        "fakeoff.arena.jobs": ("Context", "Result"),
    },
    "Contracts": {
        "fakeoff.arena.contract": ("Contract",),
        "fakeoff.generators.contract": ("GeneratorContract",),
        "fakeoff.detectors.contract": ("DetectorContract",),
        "fakeoff.arena.parsers.contract": ("ParserContract",),
        "fakeoff.arena.contract.breaches": ("ContractBreach",),
    },
    "For use in plugins": {
        "fakeoff.arena.seeds": ("global_draws", "rng_from"),
        "fakeoff.arena.images": ("Pixels", "luminance", "quantise", "to_tensor", "as_seen"),
        "fakeoff.arena.players.specs": (
            "File",
            "Folder",
            "Identity",
            "Member",
            "Members",
            "find_weights",
            "state_arrays",
        ),
        "fakeoff.arena.errors": ("FakeoffError", "PluginError"),
    },
    "From Python": {
        "fakeoff": ("play", "load", "judge", "score", "Game"),
        "fakeoff.protocols.measures.tournament": ("TournamentRecord",),
        "fakeoff.protocols.measures.standings": ("DetectorStanding", "GeneratorStanding"),
        "fakeoff.leaderboard.scoreboard": ("Scoreboard",),
        "fakeoff.protocols.pictures": ("Pictures", "Verdict"),
        "fakeoff.protocols.scoring.scored": ("ScoredPicture",),
        "fakeoff.protocols.scoring.framing": ("Framing",),
    },
}

# What the rooms export and no author needs.
LEFT_OUT = {
    "fakeoff.generators": {"Player", "abilities", "players"},  # which has a page of its own
    "fakeoff.detectors": {"Batch", "Batches", "Plan", "Player", "abilities", "players"},  # those of the generators
    "fakeoff.arena.parsers": {"capabilities", "parsers"},
    "fakeoff.protocols": {"protocols"},
}

# An author is given these and never makes one: their constructors are left out.
GIVEN = {"Bench", "Verbs", "Line", "Results", "Context", "Game"}

INTRODUCTION = """# Reference

The interfaces that a plugin's author meets, and Fakeoff from Python, written from the docstrings by
`scripts/write_reference.py`. How they fit together is told in [players.md](players.md) and [python.md](python.md).
"""

_WIDEST = 100
_HEADINGS = {"returns": "Returns", "yields": "Yields", "raises": "Raises", "attributes": "Attributes"}


def reference() -> str:
    contents, pages = [], []
    for heading, modules in COVERED.items():
        here = {module: names for module, names in modules.items() if _exists(module)}
        if not here:
            continue
        items = [(module, name) for module, names in here.items() for name in names]
        links = ", ".join(f"[`{name}`](#{_anchor(f'{module}.{name}')})" for module, name in items)
        contents.append(f"- [{heading}](#{_anchor(heading)}): {links}")
        pages.append(f"## {heading}\n")
        pages += [_page(module, name, shows_use=name == here[module][0]) for module, name in items]
    return "\n".join([INTRODUCTION, *contents, "", *pages]).rstrip() + "\n"


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _use(module: str) -> Iterator[str]:
    """What a module's docstring says, where it shows how the module is used."""
    doc = (importlib.import_module(module).__doc__ or "").strip()
    text, start, code = doc.partition("\n\nfrom ")
    if start:
        yield f"{_markdown(text)}\n"
        yield _code(f"from {code}")
    elif "\n\n    from " in doc:
        yield f"{_markdown(doc)}\n"


def _page(module: str, name: str, *, shows_use: bool) -> str:
    value = getattr(importlib.import_module(module), name)
    lines = [f"### `{module}.{name}`\n", *(_use(module) if shows_use else [])]
    if isinstance(value, type):
        lines += _class(module, name, value)
    elif inspect.isroutine(value):
        lines += [_code(f"from {module} import {name}\n\n{_signature(name, value)}"), *_docstring(value.__doc__)]
    else:
        source, doc = _assigned(importlib.import_module(module), name)
        lines += [_code(f"from {module} import {name}\n\n{name} = {source}"), *_docstring(doc)]
    return "\n".join(lines)


def _class(module: str, name: str, value: type) -> Iterator[str]:
    is_made = "__init__" in vars(value) and name not in GIVEN
    bases = ", ".join(_base(base) for base in vars(value).get("__orig_bases__", value.__bases__) if base is not object)
    head = f"class {name}({bases})" if bases else f"class {name}"
    made = f"\n\n{_signature(name, value)}" if is_made else ""
    yield _code(f"from {module} import {name}\n\n{head}{made}")
    yield from _docstring(value.__doc__, leave_out=() if is_made else ("parameters",))
    tests = {key: test for key, test in inspect.getmembers(value, inspect.isfunction) if key.startswith("test_")}
    if tests:
        yield "**What it tests**\n"
        yield "".join(f"- `{key}`: {_first_line(test)}\n" for key, test in tests.items())
        return
    for key, member in vars(value).items():
        if key.startswith("_"):
            continue
        function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if isinstance(member, property) and member.__doc__:
            yield f"#### `{name}.{key}`\n"
            yield _code(f"@property\n{_signature(f'def {key}', member.fget)}")
            yield from _docstring(member.__doc__)
        elif inspect.isfunction(function):
            decorator = f"@{type(member).__name__}\n" if function is not member else ""
            yield f"#### `{name}.{key}()`\n"
            yield _code(decorator + _signature(f"def {key}", function))
            yield from _docstring(function.__doc__) if function.__doc__ else [_inherited(value, key)]


def _first_line(function: Any) -> str:
    return _markdown(" ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split()))


def _base(base: Any) -> str:
    return f"nn.{base.__name__}" if base.__module__.startswith("torch.nn.") else type_text(base)


def _inherited(owner: type, method: str) -> str:
    base = next((base for base in owner.__mro__[1:] if method in vars(base)), None)
    return f"See `{base.__name__}.{method}()`.\n" if base else ""


def _signature(title: str, function: Any) -> str:
    """A signature as it is written; one argument a line where it is long."""
    signature = inspect.signature(function)
    words: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in "".join(word[:1] for word in words):
            words.append("*")
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        has_type, has_default = parameter.annotation is not parameter.empty, parameter.default is not parameter.empty
        word = star + parameter.name + (f": {_written(parameter.annotation)}" if has_type else "")
        if has_default:
            word += f" = {_default(parameter.default)}" if has_type else f"={_default(parameter.default)}"
        words.append(word)
    shows_result = signature.return_annotation is not signature.empty and not isinstance(function, type)
    result = f" -> {_written(signature.return_annotation)}" if shows_result else ""
    line = f"{title}({', '.join(words)}){result}"
    if len(line) <= _WIDEST:
        return line
    return f"{title}(\n" + "".join(f"    {word},\n" for word in words) + f"){result}"


def _written(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _default(value: Any) -> str:
    if repr(value) == "<factory>":  # of a dataclass's field
        return "..."
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _assigned(module: ModuleType, name: str) -> tuple[str, str]:
    """The expression that a name was given, and the docstring under it; from where it was imported, if it was."""
    source = inspect.getsource(module)
    body = ast.parse(source).body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.ImportFrom) and name in {alias.name for alias in statement.names}:
            return _assigned(importlib.import_module(str(statement.module)), name)
        targets = [statement.target] if isinstance(statement, ast.AnnAssign) else getattr(statement, "targets", [])
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            has_doc = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            return ast.get_source_segment(source, statement.value), following.value.value if has_doc else ""
    raise LookupError(f"{module.__name__} does not assign {name}")


def _docstring(text: str | None, *, leave_out: tuple[str, ...] = ()) -> Iterator[str]:
    """A docstring as Markdown: text as it is, its sections as lists."""
    docstring = griffe.Docstring(inspect.cleandoc(text or ""))
    for section in griffe.parse_google(docstring, warnings=False, returns_multiple_items=False):
        kind = section.kind.value
        if kind == "text":
            yield f"{_markdown(section.value)}\n"
        elif kind == "admonition":
            yield f"**{section.title}**\n\n{_markdown(section.value.contents)}\n"
        elif kind not in leave_out:
            yield f"**{_HEADINGS.get(kind, 'Args')}**\n"
            yield "".join(f"- {_listed(kind, item)}\n" for item in section.value)


def _listed(kind: str, item: Any) -> str:
    words = " ".join(_markdown(item.description).split())
    name = item.annotation if kind == "raises" else getattr(item, "name", "")
    return f"`{name}`: {words}" if name else words


def _markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)  # roles such as :class:`x`
    return text.replace("``", "`")


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes docs/reference.md from docstrings.")
    parser.add_argument("--check", action="store_true", help="Write nothing; exit 1 if it is out of date.")
    parser.add_argument("--file", type=Path, default=REFERENCE, help="Another file than docs/reference.md.")
    given = parser.parse_args()
    text = reference()
    if not given.check:
        given.file.write_text(text, encoding="utf-8")
    elif not given.file.is_file() or given.file.read_text(encoding="utf-8") != text:
        sys.exit(f"{given.file.name} is out of date; run: python scripts/write_reference.py")


if __name__ == "__main__":
    main()
