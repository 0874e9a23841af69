"""What a stranger sees: MLflow's own pages over a played home, in a real browser.

The saved views are tags of a form that MLflow does not document, so this is the only proof that they open.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Locator, Page, expect, sync_playwright

from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.standings import HEADLINES
from fakeoff.leaderboard.mlflow.ui import leaderboard_addresses, served
from fakeoff.leaderboard.mlflow.views import COMPARED, MODELS, VIEWS
from fakeoff.protocols.score.telling import tell
from tests.leaderboard.sockets import listening_of

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000

# The metric columns from left to right are these; the last of them may lie beyond the edge, where they are not drawn.
_HEADINGS_ARE = """wanted => {
    const cells = [...document.querySelectorAll(".ag-header-viewport .ag-header-cell")];
    const left = cell => cell.getBoundingClientRect().left;
    const seen = cells.sort((a, b) => left(a) - left(b)).map(cell => cell.innerText.trim());
    return seen.length > 2 && wanted.slice(0, seen.length).every((name, index) => seen[index] === name);
}"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no 'chromium' on PATH: the pages cannot be looked at")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[tuple[str, Any]]:
    with served(Home(home), port=0) as (base, process):
        yield base, process


@pytest.fixture(scope="module")
def base(server: tuple[str, Any]) -> str:
    return server[0]


@pytest.fixture(scope="module")
def requests() -> list[str]:
    """Every address that a page of this module asked for."""
    return []


@pytest.fixture(scope="module")
def network_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Chromium itself writes of its network, its workers' requests included; whole once it is closed."""
    return tmp_path_factory.mktemp("network") / "log.json"


@pytest.fixture(scope="module")
def page(requests: list[str], network_log: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, f"--log-net-log={network_log}"])
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: requests.append(request.url))
        yield page
        browser.close()


@pytest.fixture
def shoot(page: Page) -> Callable[[str], None]:
    """Keeps a picture of the page where ``FAKEOFF_SHOTS`` says, for people to look at."""

    def save(name: str) -> None:
        if folder := os.environ.get("FAKEOFF_SHOTS"):
            page.screenshot(path=Path(folder) / f"{name}.png")

    return save


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.key)
def test_a_leaderboard_opens_on_the_players_of_its_role_by_score(
    view: Any, home: Path, base: str, page: Page, scoreboard: dict[str, Any], shoot: Callable[[str], None]
) -> None:
    page.goto("about:blank")  # the address of the other view differs in its fragment alone
    page.goto(leaderboard_addresses(Home(home), base)[view.name])
    standings = scoreboard["standings"][f"{view.role}s"]
    names = page.locator(".ag-row [col-id='attributes.`Run Name`'] a")
    expect(names).to_have_count(len(standings), timeout=PATIENCE_MS)
    expect(page.get_by_text(f"{len(standings)} matching runs")).to_be_visible()
    shown = sorted((name.bounding_box()["y"], name.inner_text()) for name in names.all())
    # The order of the file, ties and all.
    assert [name for _, name in shown] == [row["player"] for row in standings]

    expect(page.get_by_role("button", name=view.name)).to_be_visible()
    # The table is drawn before its columns are put in order.
    columns = view.columns(scoreboard["config"]["score"]["confidence"])
    page.wait_for_function(_HEADINGS_ARE, arg=[column.partition("`")[2].rstrip("`") for column in columns])
    edge = page.locator(".ag-root").bounding_box()
    figure = "worst_auc" if view.role == "detector" else "evasion"
    for column in columns[:2]:  # its rank, and what it is ranked by
        first = page.locator(f'.ag-header-cell[col-id="{column}"]').bounding_box()
        assert first["x"] + first["width"] < edge["x"] + edge["width"], f"{column} is out of sight"
    cells = page.locator(f'.ag-center-cols-container [col-id="{columns[1]}"]').all()
    seen = [text for _, text in sorted((cell.bounding_box()["y"], cell.inner_text()) for cell in cells)]
    assert seen == [tell(row[figure], row.get(f"{figure}_ci")) for row in standings]
    shoot(f"leaderboard-{view.key}")


@pytest.mark.parametrize("view", COMPARED, ids=lambda view: view.key)
def test_comparable_tournaments_open_by_score(
    view: Any, home: Path, base: str, page: Page, scoreboard: dict[str, Any], shoot: Callable[[str], None]
) -> None:
    page.goto("about:blank")
    page.goto(leaderboard_addresses(Home(home), base)[view.name])
    standings = scoreboard["standings"][f"{view.role}s"]  # one tournament was played, which all that is there are of
    names = page.locator(".ag-row [col-id='attributes.`Run Name`'] a")
    expect(names).to_have_count(len(standings))
    shown = [name for _, name in sorted((name.bounding_box()["y"], name.inner_text()) for name in names.all())]
    score = {row["player"]: row["worst_auc" if view.role == "detector" else "evasion"] for row in standings}
    assert set(shown) == set(score)
    assert [score[name] for name in shown] == sorted(score.values(), reverse=True)
    shoot(f"compared-{view.key}")


def test_models_stand_with_their_figures_on_the_benchmark(
    home: Path, base: str, page: Page, client: Callable[[Path], MlflowClient], shoot: Callable[[str], None]
) -> None:
    logged = {model.name: model for model in client(home).search_logged_models(["1"])}
    page.set_viewport_size({"width": 2600, "height": 1000})  # columns out of sight are not there
    page.goto("about:blank")
    page.goto(leaderboard_addresses(Home(home), base)[MODELS])
    expect(page.get_by_role("link", name="first@0", exact=True)).to_be_visible()
    for name, model in logged.items():
        row = (
            page.locator(".ag-row").filter(has=page.get_by_role("link", name=name, exact=True)).get_attribute("row-id")
        )
        figures = {metric.key: metric.value for metric in model.metrics}
        assert figures.keys() == {"benchmark/auc", "benchmark/ap", "benchmark/accuracy"}
        for value in figures.values():
            expect(
                page.locator(f'.ag-row[row-id="{row}"]').get_by_text(f"{value:.6g}", exact=True).first
            ).to_be_visible()
    shoot("models")
    page.set_viewport_size({"width": 1500, "height": 1000})


def test_the_champion_has_its_alias_among_the_registered_models(
    home: Path, base: str, page: Page, client: Callable[[Path], MlflowClient], shoot: Callable[[str], None]
) -> None:
    [registered] = client(home).search_registered_models()
    page.goto(f"{base}/#/models/{quote(registered.name)}")
    holder = client(home).get_model_version_by_alias(registered.name, "champion")
    row = page.get_by_role("row").filter(has_text=f"Version {holder.version}")
    expect(row.get_by_text("champion")).to_be_visible()
    expect(row.get_by_text(holder.tags["arena.player"])).to_be_visible()
    shoot("champion")


def test_a_players_page_draws_its_metrics_and_its_faces(
    home: Path, base: str, page: Page, client: Callable[[Path], MlflowClient], shoot: Callable[[str], None]
) -> None:
    page.goto(f"{base}/#/experiments/1/runs/{_run(client(home), 'toy_generator')}/model-metrics")
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    expect(cards.first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".js-plotly-plot .scatterlayer path.point").first).to_be_visible(timeout=PATIENCE_MS)
    shoot("player-charts")
    # The headline is the first chart. Others are drawn as they come into sight, section by section; faces come last.
    expect(cards.first).to_contain_text(f"toy_generator ({HEADLINES['generator']})")
    expect(cards.first.locator("path.point")).to_have_count(3, timeout=PATIENCE_MS)  # rounds 0, 1 and 2
    faces = cards.filter(has_text="faces before and after")
    for _ in range(60):
        if faces.count():
            break
        page.get_by_test_id("experiment-view-compare-runs-section-header").last.scroll_into_view_if_needed()
        page.mouse.move(800, 600)
        page.mouse.wheel(0, 600)
        page.wait_for_timeout(200)

    faces.scroll_into_view_if_needed()
    picture = faces.locator("img").first
    expect(picture).to_be_visible(timeout=PATIENCE_MS)
    _await_picture(page, picture, 50)
    slider = faces.get_by_role("slider")
    expect(slider).to_be_visible()
    before = picture.get_attribute("src")
    shoot("player-faces")
    slider.focus()
    slider.press("ArrowRight")
    expect(picture).not_to_have_attribute("src", str(before), timeout=PATIENCE_MS)
    assert "step%2B1" in str(picture.get_attribute("src"))


def test_the_tournaments_matrix_is_a_picture_among_its_artifacts(
    home: Path, base: str, page: Page, client: Callable[[Path], MlflowClient], shoot: Callable[[str], None]
) -> None:
    page.goto(f"{base}/#/experiments/1/runs/{_run(client(home), 'tournament')}/artifacts")
    page.get_by_text("payoff", exact=True).click()
    page.get_by_text("round-002.png").click()
    matrix = page.get_by_role("img", name="payoff/round-002.png")
    expect(matrix).to_be_visible(timeout=PATIENCE_MS)
    _await_picture(page, matrix, 500)
    shoot("tournament-matrix")


def test_no_page_needs_anything_from_elsewhere(requests: list[str], base: str, page: Page) -> None:
    asked = {urlsplit(url).netloc for url in requests if urlsplit(url).scheme not in ("data", "blob", "about")}
    assert asked == {urlsplit(base).netloc}


def test_the_server_listens_on_loopback_alone(server: tuple[str, Any]) -> None:
    base, process = server
    listening = listening_of(process.pid)
    assert f"127.0.0.1:{urlsplit(base).port}" in listening
    assert {address.rpartition(":")[0] for address in listening} == {"127.0.0.1"}


def test_the_servers_pages_open_on_models_and_not_on_agents(home: Path, base: str, page: Page) -> None:
    for address in leaderboard_addresses(Home(home), base).values():
        assert "?workflowType=machine_learning" in address
    page.goto("about:blank")
    page.goto(leaderboard_addresses(Home(home), base)[VIEWS[0].name])
    expect(page.get_by_role("link", name="Model registry")).to_be_visible()
    expect(page.get_by_text("Prompts")).to_have_count(0)


def test_the_description_of_the_experiment_leads_to_its_views(
    home: Path, base: str, page: Page, shoot: Callable[[str], None]
) -> None:
    page.goto("about:blank")
    page.goto(f"{base}/#/experiments/1/runs?workflowType=machine_learning")
    link = page.get_by_role("link", name=VIEWS[1].name, exact=True)
    expect(link).to_be_visible()
    shoot("description")
    assert str(link.get_attribute("href")).endswith(f"viewStateShareKey={VIEWS[1].key}")


def test_no_worker_of_a_page_sends_anything_to_elsewhere(base: str, page: Page, network_log: Path) -> None:
    # The last test: the browser is closed. What it asks for by itself has no page as its initiator.
    with urllib.request.urlopen(f"{base}/ajax-api/3.0/mlflow/ui-telemetry") as answer:
        assert json.load(answer)["disable_ui_telemetry"] is True
    assert page.context.browser is not None
    page.context.browser.close()
    events = json.loads(network_log.read_text(errors="replace"))["events"]
    asked = [event["params"] for event in events if event.get("params", {}).get("initiator") == base]
    assert {urlsplit(one["url"]).netloc for one in asked} == {urlsplit(base).netloc}
    telemetry = [one for one in asked if urlsplit(one["url"]).path.endswith("/ui-telemetry")]
    assert {one["method"] for one in telemetry} == {"GET"}, "it asks whether to tell, and tells nothing"


def _await_picture(page: Page, picture: Locator, width: int) -> None:
    """Asks for the element anew each time: MLflow's page may put another in its place while it loads."""
    for _ in range(PATIENCE_MS // 200):
        seen = picture.evaluate("image => [image.complete, image.naturalWidth, image.src]")
        if seen[0] and seen[1] > width:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"no picture wider than {width} pixels came, but {seen}")


def _run(client: MlflowClient, name: str) -> str:
    [run] = [run for run in client.search_runs(["1"]) if run.info.run_name.split()[0] == name]
    return str(run.info.run_id)
