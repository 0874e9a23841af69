"""The card of an exported player, in the form of Hugging Face's model cards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fakeoff import __version__
from fakeoff.arena.players.provisions import PluginFile
from fakeoff.leaderboard.exported.graph import INPUT, OUTPUT, PATCHES, Graph
from fakeoff.leaderboard.exported.recipes import FIXED_FILE, GRAPH_FILE, RECIPE_FILE, WEIGHTS_FILE
from fakeoff.leaderboard.exported.subject import Subject
from fakeoff.leaderboard.licences import licence_of_reals, licences_of_weights
from fakeoff.leaderboard.verdict.words import counted
from fakeoff.protocols.rules.manipulating import is_manipulator
from fakeoff.protocols.score.telling import tell

_TASKS = {"generator": "unconditional-image-generation", "detector": "image-classification"}


def licences(subject: Subject) -> list[str]:
    """What has to be known before the weights are passed on, a line each."""
    reals = subject.record.source_name
    began = licences_of_weights(subject.player, kind=subject.kind)
    learnt = f"learnt from the photographs '{reals}': {licence_of_reals(reals)}"
    return [*(f"began as {one}" for one in began), learnt]


def write_card(subject: Subject, *, files: Sequence[str], graph: Graph | None, no_graph: str) -> str:
    """The card.

    Args:
        subject: Who.
        files: What lies beside it.
        graph: Of a detector, if there is one.
        no_graph: Why there is none; empty of a generator.
    """
    sections = [
        _front_matter(subject),
        f"# {subject.version.label}\n",
        _what_it_is(subject),
        _section("Files", "\n".join(f"- `{name}`: {_FILES[name]}" for name in files)),
        _section("Licence", "\n".join(f"- {one}" for one in licences(subject)) + f"\n\n{_NOT_OURS}"),
        _section("Trained on", _trained_on(subject)),
        _section("Figures", _figures(subject)),
    ]
    if subject.kind == "detector":
        sections.append(_section("Preprocessing", _preprocessing(subject, graph, no_graph)))
    sections.append(_section("How to load it", _how_to_load(subject, files, graph)))
    sections.append(_section("Limits", _LIMITS[subject.kind]))
    return "\n".join(sections)


def preprocessing(subject: Subject) -> dict[str, Any]:
    """What becomes of a photograph before a detector sees it, in order."""
    return {
        "crop": "the largest square in its middle",
        "colour": subject.data()["colour"],
        "resize": [{"side": side, "kernel": "lanczos", "bits": 8} for side in _sides(subject)],
        "values": "RGB from 0 to 1 (a byte divided by 255), float32, (n, 3, side, side)",
        "normalisation": "no other: what the network is used to is part of it",
    }


_FILES = {
    WEIGHTS_FILE: "its state, a tensor for each name",
    GRAPH_FILE: "its graph and its weights, for ONNX Runtime",
    RECIPE_FILE: "enters it in a game of Fakeoff's, where it goes on from here",
    FIXED_FILE: "enters it in a game of Fakeoff's as it is, as one who does not learn",
    "player.json": "what it is, for programs: recipe, hashes, preprocessing",
}
_NOT_OURS = (
    "Fakeoff (MIT) lays no claim to weights. Whether they may be passed on is decided by what they were learnt from."
)
_LIMITS = {
    "detector": "It was trained and tested on faces of one source and on the generators named above; on others its "
    "figures say nothing. Its scores are no probability of anything outside of that, and it is no proof that a picture "
    "is real.",
    "generator": "It was made to fool detectors in a measured game, for research in image forensics. Its images show "
    "nobody; do not pass them off as photographs.",
}


def _front_matter(subject: Subject) -> str:
    metrics = [{"type": kind, "value": round(value, 6), "name": name} for kind, value, name in _headlines(subject)]
    data: dict[str, Any] = {
        "license": "other",
        "license_name": "see-the-card",
        "library_name": "fakeoff",
        "pipeline_tag": _TASKS[subject.kind],
        "tags": ["fakeoff", "image-forensics", subject.kind, subject.player.plugin],
    }
    if metrics:
        task = {"type": _TASKS[subject.kind]}
        dataset = {"type": subject.record.source_name, "name": f"{subject.record.source_name}, test"}
        result = {"task": task, "dataset": dataset, "metrics": metrics}
        data["model-index"] = [{"name": subject.version.label, "results": [result]}]
    # JSON is YAML, too: no name of anybody's can be anything but text.
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in data.items()]
    return "\n".join(["---", *lines, "---", ""])


def _headlines(subject: Subject) -> Iterator[tuple[str, float, str]]:
    for row in subject.scoreboard.detectors if subject.kind == "detector" else ():
        if (row.player, row.round) == (subject.version.player, subject.version.round):
            yield "roc_auc", row.worst_auc, f"AUC, worst over generator versions (against {row.worst_against})"
            yield "roc_auc", row.mean_auc, "AUC, mean over generator versions"
            yield "accuracy", row.mean_accuracy, "accuracy at 0.5, mean over generator versions"
    for one in subject.scoreboard.generators if subject.kind == "generator" else ():
        if (one.player, one.round) == (subject.version.player, subject.version.round):
            yield "evasion", one.evasion, "share of fakes that pass as real before detectors it was not trained against"


def _what_it_is(subject: Subject) -> str:
    config, version = subject.record.config, subject.version
    made = {
        "generator": f"makes fake faces of {version.resolution} x {version.resolution} pixels",
        "detector": f"tells fake faces from real ones at {subject.side} x {subject.side} pixels",
    }[subject.kind]
    lineage = f", finetuned to fool {', '.join(version.targets)}" if version.targets else ""
    parameters = json.dumps(subject.parameters(), ensure_ascii=False, sort_keys=True)
    return (
        f"The {subject.kind} `{version.player}` after round {version.round} of a tournament of "
        f"{counted(subject.record.round, 'round')}{lineage}: it {made}, {subject.data()['colour']}. Plugin "
        f"`{subject.player.plugin}` of [Fakeoff](https://pypi.org/project/fakeoff/) {__version__}, parameters "
        f"`{parameters}`, seed {config.seed}.\n"
    )


def _trained_on(subject: Subject) -> str:
    data, config = subject.data(), subject.record.config
    train, test = data["split"]["train"], data["split"]["test"]
    lines = [
        f"Photographs: '{data['source']}', {train['photographs']} of {len(train['groups'])} people or folders "
        f"(sha256 of the list {train['sha256'][:12]}); tested on {test['photographs']} of {len(test['groups'])} others."
    ]
    if subject.kind == "detector":
        fakes = ", ".join(one.label for one in subject.learnt_from()) or "none"
        lines.append(f"Fakes: {config.pools.train_fakes} each of {fakes}; at most {config.defend.steps} steps.")
    elif subject.version.targets:
        lines.append(
            f"Attacks: {config.attack.steps} steps at most in each round, evasion weighed {config.attack.weight:g}; "
            f"the last one against {', '.join(subject.version.targets)}."
        )
    else:
        lines.append("It is as it came: nobody finetuned it here.")
    return "\n\n".join(lines)


def _figures(subject: Subject) -> str:
    share = f"{subject.scoreboard.confidence:.0%}"
    lines = [
        f"On held-out images; in brackets {share} intervals over people and fakes. AUC 0.5 is chance.",
        "",
        "| against | AUC | AP | accuracy at 0.5 |",
        "| --- | --- | --- | --- |",
    ]
    other = "detector" if subject.kind == "generator" else "generator"
    rows = list(subject.rows())
    for row in rows:
        name, round_ = row.version_of(other)
        figures = [
            tell(row.auc, row.auc_ci),
            tell(row.ap, row.ap_ci),
            tell(row.accuracy, row.accuracy_ci, digits=1, percent=True),
        ]
        lines.append(f"| {name}@{round_} | {' | '.join(figures)} |")
    if not rows:
        return "It has no match that counts."
    lines += ["", *(f"- {name}: {value:.3f}" for _, value, name in _headlines(subject))]
    unranked = [one for one in subject.scoreboard.unranked if _is(one, subject)]
    lines += [f"- It takes no place: {one.reason}" for one in unranked]
    return "\n".join(lines).rstrip()


def _is(one: Any, subject: Subject) -> bool:
    version = subject.version
    return bool((one.kind, one.player, one.round) == (version.kind, version.player, version.round))


def _sides(subject: Subject) -> list[int]:
    return list(dict.fromkeys([subject.passed_through, subject.side]))


def _preprocessing(subject: Subject, graph: Graph | None, no_graph: str) -> str:
    steps: Mapping[str, Any] = preprocessing(subject)
    resizes = ", then to ".join(f"{side} x {side}" for side in _sides(subject))
    colour = "to luminance, in all three channels" if steps["colour"] == "grey" else "RGB"
    threshold = subject.version.threshold(subject.store)
    lines = [
        f"Of a photograph {steps['crop']} is resized to {resizes} with Lanczos and rounded to 8 bits, "
        f"{colour}; then divided by 255: float32 `(n, 3, {subject.side}, {subject.side})`, and "
        f"{steps['normalisation']}.",
        f"It says fake from {threshold:.4f} on: chosen on val, by balanced accuracy.",
    ]
    if graph is None:
        lines.append(f"There is no ONNX file: {no_graph}.")
    else:
        many = "any number of images" if graph.batch else "one image at a time"
        patches = f" `{PATCHES}` `(n, h, w)` is that of each patch." if graph.patches else ""
        tried = f"{graph.images} images of {'the test' if graph.of_test else 'noise'}"
        lines.append(
            f"`{GRAPH_FILE}` takes `{INPUT}`, {many} of {graph.side} x {graph.side} pixels, and gives `{OUTPUT}` "
            f"`(n, 1)`: P(fake).{patches} Its scores of {tried} are the detector's to {graph.difference:.1g}."
        )
    return "\n\n".join(lines)


def _how_to_load(subject: Subject, files: Sequence[str], graph: Graph | None) -> str:
    kind, room = subject.kind, f"{subject.kind}s"
    use = "images = player.sample(8, rng=torch.Generator().manual_seed(0))  # (8, 3, h, w) in [0, 1]"
    if kind == "generator" and is_manipulator(subject.player.plugin):
        use = "made = player.manipulate(sources, targets, rng=torch.Generator().manual_seed(0)).images"
    elif kind == "detector":
        use = f"scores = player.score(images)  # float32 (n, 3, {subject.side}, {subject.side}) in [0, 1] to (n,)"
    python = (
        "```python\nimport torch\nfrom safetensors.torch import load_file\n"
        f"{_loading(subject)}from fakeoff.{room} import players\n\n"
        f'player = players.build("{subject.player.plugin}", {subject.parameters()!r})\n'
        f'player.load_state_dict(load_file("{WEIGHTS_FILE}"))\nplayer.eval()\n'
        f"with torch.no_grad():\n    {use}\n```"
    )
    ways = [python]
    for name, why in ((RECIPE_FILE, "to go on from here"), (FIXED_FILE, "as it is")):
        if name in files:
            ways.append(f"In a game, {why}, from this folder: `fakeoff run {name} --home HOME`.")
    if RECIPE_FILE not in files:
        ways.append(f"`{subject.player.plugin}` has no parameter for weights, so that no game can begin with these.")
    if graph is not None:
        ways.append(
            "```python\nimport onnxruntime\n\n"
            f'session = onnxruntime.InferenceSession("{GRAPH_FILE}")\n'
            f'p_fake = session.run(["{OUTPUT}"], {{"{INPUT}": images}})[0]\n```'
        )
    if subject.spec.provision is not None:
        ways.append("Its class is not Fakeoff's own: install or load its plugin first (`--plugin FILE`).")
    return "\n\n".join(ways)


def _loading(subject: Subject) -> str:
    """What loads the plugin file that its class stands in; nothing where it is installed."""
    if not isinstance(subject.spec.provision, PluginFile):
        return ""
    file = Path(subject.spec.provision.path).name
    return (
        "from pathlib import Path\nfrom fakeoff.arena.players.plugins import load_plugin_file\n\n"
        f'load_plugin_file(Path("{file}"))  # sha256 {subject.spec.provision.sha256[:12]}; it is not in this folder\n\n'
    )


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}\n"


__all__ = ["licences", "preprocessing", "write_card"]
