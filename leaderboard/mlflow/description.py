"""What MLflow says of an experiment: what is in it, and where its views are."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fakeoff.leaderboard.mlflow.views import COMPARED, MODELS, SHARED_VIEW, VIEWS, models_address, view_address

DESCRIPTION = "mlflow.note.content"
"""The tag of an experiment's description, and of a run's."""

_CHARACTERS = 5000  # of a tag
_BETWEEN = " · "
_ABOUT = (
    "Generators of fake images against detectors of them, on one arena: the same photographs, size and colour. Each "
    "tournament has a run, and one for each player with a step for each round; under a player lie its attacks or "
    "trainings."
)
_NOTATION = (
    "`pgan@0` is `pgan` as it came, `pgan@1` after its first attack. MLflow allows no `@` in the name of a metric: "
    "there it is `pgan:1`. A *score* is what a detector says of one image, P(fake), and nothing else."
)


def describe(experiment: str, tags: Mapping[str, str]) -> str:
    """The description of an experiment, in Markdown.

    Args:
        experiment: Its id.
        tags: Those that it has: views are among them.
    """
    saved = {
        key.removeprefix(SHARED_VIEW): str(json.loads(value)["name"])
        for key, value in tags.items()
        if key.startswith(SHARED_VIEW)
    }
    first = [view.key for view in (*VIEWS, *COMPARED) if view.key in saved]
    named = sorted(saved.keys() - set(first), key=lambda key: (saved[key], key))
    # Without an address of the server: links within the page, whatever its port. The first line is what MLflow shows
    # before the description is opened.
    links = [_link(saved[key], view_address("", experiment, key)) for key in (*first, *named)]
    links.insert(len(first), _link(MODELS, models_address("", experiment)))
    room = _CHARACTERS - len(_ABOUT) - len(_NOTATION) - 100
    fit = [link for at, link in enumerate(links) if len(_BETWEEN.join(links[: at + 1])) < room]
    more = [f"and {len(links) - len(fit)} more, under *Views*"] if len(fit) < len(links) else []
    return "\n\n".join([f"Fakeoff: {_BETWEEN.join([*fit, *more])}", _ABOUT, _NOTATION])


def _link(name: str, address: str) -> str:
    return f"[{name}]({address.removeprefix('/')})"


__all__ = ["DESCRIPTION", "describe"]
