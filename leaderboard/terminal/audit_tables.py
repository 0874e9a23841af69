"""An audit's report on the terminal."""

from __future__ import annotations

import dataclasses
import json

from rich.console import Console
from rich.markup import escape

from fakeoff.protocols.forensics.report import AuditReport, Finding, Side

_COLOURS = {"leak": "red", "note": "yellow"}


def print_audit(report: AuditReport, console: Console) -> None:
    """Prints what was audited, the findings (leaks first), the probe and the verdict."""
    console.print(f"[bold]Audit[/bold]: {_count(report.real, 'real')} against {_count(report.fake, 'fake')}")
    for finding in report.findings:
        console.print()
        _print_finding(finding, console)
    console.print()
    if report.probe is not None:
        console.print(f"Probe that sees only traces of format: {report.probe.worth}", highlight=False)
    if report.leaks:
        leaks = f"{len(report.leaks)} leak{'s' if len(report.leaks) != 1 else ''}"
        console.print(
            f"[bold red]{leaks}[/bold red]: a detector can tell the two folders apart without looking at faces"
        )
    else:
        console.print(
            f"[bold green]No leak[/bold green] in {report.measured} measured images and the duplicates of all"
        )


def audit_text(report: AuditReport) -> str:
    """A report as JSON text: the fields of an ``AuditReport``, and ``leak`` as a verdict."""
    return json.dumps({"leak": bool(report.leaks), **dataclasses.asdict(report)}, indent=2, ensure_ascii=False) + "\n"


def _print_finding(finding: Finding, console: Console) -> None:
    colour = _COLOURS[finding.gravity]
    console.print(
        f"[bold {colour}]{finding.gravity}[/bold {colour}]  {escape(finding.sentence)}", highlight=False, soft_wrap=True
    )
    if finding.gravity == "leak":
        console.print(f"      {escape(finding.advice)}", highlight=False, soft_wrap=True)


def _count(side: Side, noun: str) -> str:
    total = sum(side.images.values())
    splits = ", ".join(f"{split} {n}" for split, n in side.images.items() if split != "all")
    return f"{total} {noun}s" + (f" ({splits})" if splits else "")
