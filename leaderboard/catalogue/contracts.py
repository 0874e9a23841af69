"""A player held to the contract of its kind: each check as a line, and what to mend."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from fakeoff.arena.contract import Check, Contract, run_contract
from fakeoff.arena.errors import ConfigError, PluginError, suggestion
from fakeoff.arena.parsers.contract import ParserContract
from fakeoff.detectors.contract import DetectorContract
from fakeoff.generators.contract import GeneratorContract
from fakeoff.protocols import protocols

CONTRACTS: Mapping[str, type[Contract[Any]]] = {
    "generator": GeneratorContract,
    "detector": DetectorContract,
    "parser": ParserContract,
}
"""By kind. A protocol has none: what it plays is its own affair."""

_MARKS = {"passed": Text(" ok ", style="green"), "failed": Text("FAIL", style="bold red"), "skipped": Text(" -- ")}


def check_player(
    name: str,
    *,
    kind: str | None,
    parameters: Mapping[str, Any],
    console: Console,
    resolution: int | None = None,
    as_json: bool = False,
) -> bool:
    """Holds a player to its contract and prints each check as it ends.

    Args:
        name: Registered, or a class path.
        kind: ``generator``, ``detector`` or ``parser``; None finds out.
        parameters: Of its constructor.
        console: Where to.
        resolution: Of the images that a detector is shown, in pixels, where it does not take 64.
        as_json: Print the checks as JSON, at the end.

    Returns:
        Whether no check failed.

    Raises:
        PluginError: Unknown, it does not load, it takes other parameters, or the name is in several kinds.
    """
    contract = CONTRACTS[kind or _kind_of(name)]
    if resolution is not None and not issubclass(contract, DetectorContract):
        raise ConfigError(f"--resolution is for detectors; '{name}' is a {contract.registry.kind}; use --set")
    contract.registry.complete(name, parameters)  # a mistyped parameter is not the player's failure
    checks = []
    if not as_json:
        given = "".join(f" {key}={value!r}" for key, value in parameters.items())
        console.print(f"{contract.registry.kind} {name}{given}", markup=False, highlight=False)
    more = {} if resolution is None else {"resolution": resolution}
    for check in run_contract(contract.of(name, parameters, **more)):
        checks.append(check)
        if not as_json and not check.waits:
            _print(check, console)
    failed = sum(check.state == "failed" for check in checks)
    if as_json:
        print(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
    else:
        passed, skipped = (sum(check.state == state for check in checks) for state in ("passed", "skipped"))
        if waiting := sum(check.waits for check in checks):
            console.print(
                Text(f" --  {waiting} more {'waits' if waiting == 1 else 'wait'} for what failed"), soft_wrap=True
            )
        verdict = "breaks its contract" if failed else "keeps its contract"
        console.print(
            f"{name} {verdict}: {passed} passed, {failed} failed, {skipped} do not concern it or could not be tried",
            style="red" if failed else "green",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return not failed


def _print(check: Check, console: Console) -> None:
    line = Text.assemble(_MARKS[check.state], f" {check.title}")
    if check.state == "skipped":
        line.append(f" ({check.reason})", style="dim")
    elif check.seconds >= 0.95:
        line.append(f" ({check.seconds:.0f} s)", style="dim")
    console.print(line, soft_wrap=True)
    if check.state == "failed":
        for word, text in (("expected", check.expected), ("came", check.came), ("to mend", check.mend)):
            console.print(Text(f"       {word + ':':<10}{text}"), soft_wrap=True)


def _kind_of(name: str) -> str:
    kinds = [kind for kind, contract in CONTRACTS.items() if name in contract.registry]
    if not kinds and ":" in name:
        return _kind_of_class(name)
    if len(kinds) > 1:
        raise PluginError(f"'{name}' is a {' and a '.join(kinds)}; say which: --kind {kinds[0]}")
    if not kinds and name in protocols:
        raise PluginError(
            f"'{name}' is a protocol, and those have no contract: play it. See: fakeoff plugins show {name}"
        )
    if not kinds:
        known = [entry.name for contract in CONTRACTS.values() for entry in contract.registry]
        raise PluginError(f"there is no player '{name}'{suggestion(name, known) or '.'} See: fakeoff plugins")
    return kinds[0]


def _kind_of_class(path: str) -> str:
    reasons = []
    for kind, contract in CONTRACTS.items():
        try:
            contract.registry.load(path)
        except PluginError as error:
            reasons.append(error)
        else:
            return kind
    # All but the last word is the same for each kind, where it does not load at all.
    loads = [error for error in reasons if " is no " in str(error) and " is no class path" not in str(error)]
    raise PluginError(str(reasons[0]) if not loads else f"'{path}' derives from no interface of a player")
