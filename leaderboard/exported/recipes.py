"""Recipes with which an exported player is entered elsewhere: TOML files for `fakeoff run`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from fakeoff import detectors
from fakeoff.arena.errors import FakeoffError, JobFailed
from fakeoff.arena.players.specs import WEIGHTS
from fakeoff.leaderboard.exported.graph import Graph, graph_parameters
from fakeoff.leaderboard.exported.subject import Subject
from fakeoff.protocols.rules import referee

WEIGHTS_FILE, GRAPH_FILE = "weights.safetensors", "detector.onnx"
RECIPE_FILE, FIXED_FILE = "recipe.toml", "fixed.toml"


def recipe(subject: Subject) -> str:
    """The recipe that begins with the weights and goes on learning; empty where its class takes none."""
    if not subject.takes_weights:
        return ""
    # Files that the user named are not among what is exported, and what they held is in the weights.
    known = subject.spec.parameters
    given = {key: value for key, value in subject.player.parameters.items() if key != WEIGHTS and key in known}
    parameters = {**given, WEIGHTS: WEIGHTS_FILE}
    return _toml(subject, plugin=subject.player.plugin, parameters=parameters, about=_LEARNS[subject.kind])


def fixed_recipe(subject: Subject, graph: Graph | None, *, folder: Path) -> str:
    """The recipe that enters a detector as it is; empty where there is none that gives its scores.

    Args:
        subject: A detector.
        graph: Its graph, if it has one; else its weights are tried, in an architecture of the arena's.
        folder: Where its weights were written.
    """
    if graph is not None:
        parameters = {"model": GRAPH_FILE, **graph_parameters()}
    elif _plays_in_architecture(subject, folder / WEIGHTS_FILE):
        parameters = {"model": WEIGHTS_FILE, **_architecture(subject)}
    else:
        return ""
    return _toml(subject, plugin="fixed", parameters=parameters, about="It judges as it is, and does not learn.")


_LEARNS = {
    "generator": "It begins as it is, and is finetuned in attacks.",
    "detector": "It begins with these weights, and is trained on from there in each defence.",
}


def _architecture(subject: Subject) -> dict[str, Any]:
    return {"architecture": subject.player.plugin}


def _plays_in_architecture(subject: Subject, weights: Path) -> bool:
    """Whether ``fixed`` gives the same scores with the weights and the plugin's default parameters."""
    with contextlib.suppress(FakeoffError, JobFailed, ValueError, TypeError):
        shown, _ = subject.pictures
        detector = referee.build_detector(subject.spec.identity(), version=subject.state)
        played = detectors.players.build("fixed", {"model": str(weights), **_architecture(subject)})
        return bool((referee.judge(played, shown) - referee.judge(detector, shown)).abs().max() == 0)
    return False


def _toml(subject: Subject, *, plugin: str, parameters: Mapping[str, Any], about: str) -> str:
    document = tomlkit.document()
    document.add(tomlkit.comment(f"{subject.version.label}, exported by Fakeoff. {about}"))
    document.add(tomlkit.comment("Files are found from the folder in which it is called: cd to this one first."))
    players = tomlkit.aot()
    entry = tomlkit.table()
    entry.add("plugin", plugin)
    entry.add("name", subject.name)
    inner = tomlkit.table()
    for key, value in parameters.items():
        inner.add(key, "" if value is None else value)
    entry.add("parameters", inner)
    players.append(entry)
    document.add(f"{subject.kind}s", players)
    arena = tomlkit.table()
    arena.add("resolution", subject.side)
    arena.add("colour", subject.data()["colour"])
    document.add("arena", arena)
    return tomlkit.dumps(document)


__all__ = ["FIXED_FILE", "GRAPH_FILE", "RECIPE_FILE", "WEIGHTS_FILE", "fixed_recipe", "recipe"]
