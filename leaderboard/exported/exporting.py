"""Writes a player as files."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from fakeoff import __version__
from fakeoff.arena.errors import ConfigError, one_line
from fakeoff.leaderboard.exported.card import licences, preprocessing, write_card
from fakeoff.leaderboard.exported.graph import Graph, write_graph
from fakeoff.leaderboard.exported.recipes import (
    FIXED_FILE,
    GRAPH_FILE,
    RECIPE_FILE,
    WEIGHTS_FILE,
    fixed_recipe,
    recipe,
)
from fakeoff.leaderboard.exported.subject import Subject

CARD_FILE, FACTS_FILE = "README.md", "player.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A player that was written as files.

    Attributes:
        folder: Where they are.
        files: Their names.
        no_graph: Why a detector has no ONNX file, in one line; else empty.
        licences: What has to be known before they are passed on.
    """

    folder: Path
    files: tuple[str, ...]
    no_graph: str
    licences: tuple[str, ...]


def export_player(subject: Subject, folder: Path) -> Exported:
    """Writes weights, a card, recipes and, of a detector, ONNX, all of it or nothing.

    Args:
        subject: Who.
        folder: Where to: one that is not there, or is empty.

    Raises:
        ConfigError: There is something in the folder, or it cannot be written.
        PluginError: Its class is not here.
        StoreError: Its state is damaged, or was left out when the home was packed.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError(f"'{folder}' is there, and is not empty; give another --out")
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fakeoff-export-", dir=folder.parent) as workspace:
            fresh = Path(workspace, "player")
            fresh.mkdir()
            written = _write(subject, fresh)
            fresh.rename(folder)
    except OSError as error:
        raise ConfigError(f"'{folder}' cannot be written: {one_line(error)}; give another --out") from error
    return Exported(folder=folder, files=written.files, no_graph=written.no_graph, licences=written.licences)


def _write(subject: Subject, folder: Path) -> Exported:
    told = tuple(licences(subject))
    _write_weights(subject, folder / WEIGHTS_FILE, told)
    graph, no_graph = None, ""
    if subject.kind == "detector":
        found = write_graph(subject, folder / GRAPH_FILE)
        graph, no_graph = (None, found) if isinstance(found, str) else (found, "")
    texts = {RECIPE_FILE: recipe(subject)}
    if subject.kind == "detector":
        texts[FIXED_FILE] = fixed_recipe(subject, graph, folder=folder)
    for name, text in texts.items():
        if text:
            (folder / name).write_text(text)
    files = sorted([*(path.name for path in folder.iterdir()), FACTS_FILE])
    (folder / CARD_FILE).write_text(write_card(subject, files=files, graph=graph, no_graph=no_graph))
    (folder / FACTS_FILE).write_text(_facts(subject, folder, graph, told))
    return Exported(folder=folder, files=(CARD_FILE, *files), no_graph=no_graph, licences=told)


def _write_weights(subject: Subject, path: Path, told: tuple[str, ...]) -> None:
    metadata = {
        "format": "pt",
        "fakeoff": __version__,
        "player": subject.version.label,
        "plugin": subject.player.plugin,
        "parameters": json.dumps(subject.parameters(), sort_keys=True),
        "licence": "; ".join(told),
    }
    arrays = {name: np.asarray(value, order="C") for name, value in subject.state.arrays.items()}
    save_file(arrays, path, metadata=metadata)


def _facts(subject: Subject, folder: Path, graph: Graph | None, told: tuple[str, ...]) -> str:
    facts = {
        "format": FORMAT,
        "fakeoff": __version__,
        "kind": subject.kind,
        "player": subject.version.label,
        "result": subject.version.key,
        **subject.spec.identity(),
        "photographs": {"source": subject.record.source_name, "split": _digests(subject)},
        "licences": told,
        "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
    }
    if subject.kind == "detector":
        facts["preprocessing"] = preprocessing(subject)
        facts["threshold"] = subject.version.threshold(subject.store)
        facts["onnx"] = asdict(graph) if graph else None
    else:
        facts["resolution"] = subject.version.resolution
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def _digests(subject: Subject) -> dict[str, str]:
    return {split: of["sha256"] for split, of in subject.data()["split"].items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["CARD_FILE", "FACTS_FILE", "Exported", "export_player"]
