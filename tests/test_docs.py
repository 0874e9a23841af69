"""What the documents show is played as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakeoff.arena.contract import run_contract
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.cli import main
from fakeoff.leaderboard.catalogue.contracts import CONTRACTS

DOCS = Path(__file__).parents[1] / "docs"
TOYS = Path(__file__).parent / "toy_players.py"

GAME = """
generators = [{ plugin = "toy_generator" }, { plugin = "toy_fixed_generator" }]
detectors = [{ plugin = "toy_detector" }]
arena.resolution = 16
pools = { train_fakes = 32, val_fakes = 16, test_fakes = 16 }
defend = { batch = 8, check_every = 10 }
score.resamples = 100
audit.on_leak = "report"
compute = { attack_threads = 1, precision = "float32" }
"""


def code_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def test_the_experiment_of_the_page_about_experiments_plays(
    toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_experiment.py").write_text(code_blocks("experiments.md")[0])
    Path("game.toml").write_text(GAME)
    options = ["--serial", "--plugin", str(toys), "--plugin", "my_experiment.py", "--protocol", "who_knows_whom"]
    result = CliRunner().invoke(main, ["run", "game.toml", *options, "--set", "protocol.parameters.steps=20"])
    assert result.exit_code == 0, result.output
    found = json.loads(Path("fakeoff-home/experiments/who_knows_whom.json").read_text())
    rows = {(row["trained on"], row["tested on"]): row["AP"] for row in found["tables"]["generalisation"]}
    names = ("toy_fixed_generator@0", "toy_generator@0")
    assert set(rows) == {(one, other) for one in names for other in names}
    assert all(0 <= ap <= 1 for ap in rows.values())
    assert "who_knows_whom" in result.output


def test_the_contract_of_the_page_about_players_is_a_contract() -> None:
    (block,) = [block for block in code_blocks("players.md") if "Contract" in block]
    names: dict[str, object] = {}
    exec(block, names)
    contract = names["TestMyGAN"]
    assert isinstance(contract, type)
    assert issubclass(contract, CONTRACTS["generator"])
    assert len(block.strip().splitlines()) == 6


@pytest.mark.parametrize(("name", "kind"), [("paste", "generator"), ("by_colour", "detector")])
def test_the_players_of_the_page_about_players_keep_their_contract(name: str, kind: str, tmp_path: Path) -> None:
    (block,) = [block for block in code_blocks("players.md") if f'@register("{name}")' in block]
    assert len(block.splitlines()) < 60
    (tmp_path / f"{name}_of_the_page.py").write_text(block)
    load_plugin_file(tmp_path / f"{name}_of_the_page.py")
    done = list(run_contract(CONTRACTS[kind].of(name)))
    assert [check for check in done if check.state == "failed"] == []
    assert sum(check.state == "passed" for check in done) >= 7


def test_every_link_between_the_documents_leads_somewhere() -> None:
    root = DOCS.parent
    pages = [*DOCS.glob("*.md"), *root.glob("*.md"), *root.glob("examples/*/README.md")]
    assert len(pages) > 10
    broken = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+?)(#[^)]*)?\)", page.read_text()):
            if "://" not in target[0] and not (page.parent / target[0]).exists():
                broken.append(f"{page.name}: {target[0]}")
    assert broken == []


def test_every_heading_that_is_linked_to_is_there() -> None:
    broken = []
    for page in DOCS.glob("*.md"):
        for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]*)\)", page.read_text()):
            other = page.parent / target if target else page
            if "://" in target or other.suffix != ".md":
                continue
            headings = re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            if anchor not in anchors:
                broken.append(f"{page.name}: {target}#{anchor}")
    assert broken == []
