"""Takes the pictures of the README from a home that was played.

    python scripts/take_pictures.py --home fakeoff-home

needs Chromium. The payoff matrix, the duels and the faces come from MLflow's artifacts as they were logged.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from mlflow import MlflowClient
from playwright.sync_api import sync_playwright

from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.mlflow_store import database_uri
from fakeoff.leaderboard.mlflow.ui import leaderboard_addresses, served
from fakeoff.leaderboard.mlflow.views import VIEWS

_PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
_WITHOUT_ASSISTANT = {"x": 0, "y": 0, "width": 1112, "height": 520}
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@click.command()
@click.option("--home", type=click.Path(path_type=Path), default=Path("fakeoff-home"), show_default=True)
def main(home: Path) -> None:
    _PICTURES.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=database_uri(Home(home)))
    experiment = next(e for e in client.search_experiments() if e.name != "Default").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    tournament = next(run for name, run in runs.items() if name.startswith("tournament"))
    last = max(artifact.path for artifact in client.list_artifacts(tournament.info.run_id, "payoff"))
    for run, artifact, name in (
        (tournament, last, "payoff"),
        (tournament, "duels.png", "duels"),
        (runs["pgan"], last.replace("payoff", "faces"), "faces"),
        (tournament, "part_shift/round-001.png", "part_shift"),
        (runs["resnet18_layer1"], "heatmaps/pgan/round-001.png", "heatmaps"),
    ):
        shutil.copy(client.download_artifacts(run.info.run_id, artifact), _PICTURES / f"{name}.png")
    with served(Home(home), port=0) as (base, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 520})
        for view in VIEWS:
            page.goto("about:blank")
            page.goto(leaderboard_addresses(Home(home), base)[view.name])
            page.locator(".ag-row").first.wait_for()
            page.wait_for_timeout(3000)  # columns are put in order after the first drawing
            page.screenshot(path=_PICTURES / f"leaderboard_{view.key}.png", clip=_WITHOUT_ASSISTANT)
        browser.close()


if __name__ == "__main__":
    main()
