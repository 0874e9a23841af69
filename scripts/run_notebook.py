"""Runs a notebook from its first cell to its last, and keeps what it printed and drew.

    python scripts/run_notebook.py examples/play_and_plot.ipynb            runs it in an empty folder, and forgets
    python scripts/run_notebook.py examples/play_and_plot.ipynb --write    keeps the outputs in the notebook

Cells are plain Python, without a kernel: nbclient and ipykernel would bring 29 packages, a debugger among them, to run
four cells. As Jupyter does, it keeps what a cell printed, the last expression's value, and the pictures of pyplot.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["MPLBACKEND"] = "Agg"

_DPI = 80


def run(notebook: dict[str, Any], folder: Path) -> None:
    """Runs all cells of code in one namespace, and puts their outputs into the notebook.

    Args:
        notebook: As its file has it; it is written to.
        folder: Where it is run.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    with contextlib.chdir(folder):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                count += 1
                cell["execution_count"] = count
                cell["outputs"] = list(_outputs("".join(cell["source"]), names, count))


def _outputs(source: str, names: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    printed = io.StringIO()
    body = ast.parse(source, f"<cell {count}>").body
    last = body[-1] if body and isinstance(body[-1], ast.Expr) else None
    if last is not None:
        body.pop()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), f"<cell {count}>", "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last.value), f"<cell {count}>", "eval"), names)
    if printed.getvalue():
        yield {"name": "stdout", "output_type": "stream", "text": printed.getvalue().splitlines(keepends=True)}
    figures = list(_figures())
    if value is not None and not figures:
        data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
        yield {"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"}
    for png in figures:
        data = {"image/png": base64.b64encode(png).decode(), "text/plain": ["<Figure>"]}
        yield {"data": data, "metadata": {}, "output_type": "display_data"}


def _figures() -> Iterator[bytes]:
    """What pyplot has drawn since the last cell."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    for number in pyplot.get_fignums():
        written = io.BytesIO()
        pyplot.figure(number).savefig(written, format="png", dpi=_DPI, bbox_inches="tight")
        yield written.getvalue()
    pyplot.close("all")


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs a notebook.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--write", action="store_true", help="Keep the outputs in it.")
    given = parser.parse_args()
    notebook = json.loads(given.notebook.read_text())
    with tempfile.TemporaryDirectory(prefix="run-notebook-") as folder:
        run(notebook, Path(folder))
    if given.write:
        given.notebook.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
