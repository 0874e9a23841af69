from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "write_reference.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_the_reference_is_what_the_docstrings_say() -> None:
    done = _run("--check", PYTHONHASHSEED="8")
    assert done.returncode == 0, done.stderr


def test_it_is_written_the_same_under_another_hash_seed(script: ModuleType, tmp_path: Path) -> None:
    copy = tmp_path / "copy.md"
    assert _run("--file", str(copy), PYTHONHASHSEED="7").returncode == 0
    assert copy.read_bytes() == script.REFERENCE.read_bytes()


def test_a_reference_that_is_out_of_date_is_told_in_one_line(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = script.REFERENCE.read_text()
    monkeypatch.setattr(script, "reference", lambda: text)
    copy = tmp_path / "copy.md"
    copy.write_text(text.replace("A maker of fake images.", "A maker of fakes."))
    for path in (copy, tmp_path / "missing.md"):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--check", "--file", str(path)])
        with pytest.raises(SystemExit) as ended:
            script.main()
        # A text is printed on stderr, and the exit code is 1.
        assert ended.value.code == f"{path.name} is out of date; run: python scripts/write_reference.py"
    copy.write_text(text)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--check", "--file", str(copy)])
    script.main()


def test_everything_that_the_rooms_export_is_covered_or_left_out_on_purpose(script: ModuleType) -> None:
    covered = {module: set(names) for modules in script.COVERED.values() for module, names in modules.items()}
    for room in ("fakeoff.generators", "fakeoff.detectors", "fakeoff.arena.parsers", "fakeoff.protocols"):
        exported = set(importlib.import_module(room).__all__)
        assert exported == covered[room] | script.LEFT_OUT[room], room
        assert not covered[room] & script.LEFT_OUT[room]


def test_every_link_of_the_contents_leads_to_a_heading(script: ModuleType) -> None:
    text = script.REFERENCE.read_text()
    outside_code = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", outside_code, flags=re.MULTILINE)
    # As GitHub makes anchors: lower case, without punctuation but for hyphens and underscores.
    anchors = ["".join(c for c in h.lower() if c.isalnum() or c in "-_ ").replace(" ", "-") for h in headings]
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert links
    assert set(links) <= set(anchors)
    assert len(anchors) == len(set(anchors))  # or GitHub would number them


def test_the_reference_is_markdown_through_and_through(script: ModuleType) -> None:
    text = script.REFERENCE.read_text()
    assert "``" not in text.replace("```", "")
    assert not re.search(r":(meth|class|func|data|mod|attr):`", text)
    assert " at 0x" not in text
    assert text.count("```") % 2 == 0
    for section in ("**Args**", "**Returns**", "**Raises**", "**Attributes**"):
        assert f"{section}\n\n- " in text


def test_the_reference_has_signatures_as_they_are_written(script: ModuleType) -> None:
    text = script.REFERENCE.read_text()
    assert "def sample(self, n: int, *, rng: torch.Generator) -> Tensor" in text
    assert "ReceptiveField(*, size: int = 1, stride: int = 1, offset: int = 0)" in text
    assert "ExtraLoss = Callable[[Tensor], Tensor]" in text
    assert "    extra_loss: ExtraLoss | None = None,\n) -> dict[str, float]" in text  # a long one, an argument a line
