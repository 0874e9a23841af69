"""The page as HTML: it needs nothing else, says its policy, and lets nobody's name become markup."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.report.report import write_report
from tests.leaderboard.report.reading import Read, read

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>'&amp;{{ 7 * 7 }}"


def test_the_page_needs_nothing_else(page: Read) -> None:
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            if name in ("src", "href", "action", "data", "poster", "srcset"):
                assert str(value).startswith(("data:image/", "#")), f"<{tag} {name}={str(value)[:40]}>"
            assert not name.startswith("on"), f"<{tag} {name}>"
            assert name != "style", f"<{tag} style>, which its policy forbids"
    assert not page.named("link", "iframe", "object", "embed", "base", "form")


def test_the_policy_lets_only_the_pages_own_style_and_script_run(report: Path, page: Read) -> None:
    [policy] = [str(meta["content"]) for meta in page.named("meta") if "Content-Security-Policy" in meta.values()]
    assert policy.startswith("default-src 'none'; img-src data:;")
    html = report.read_text()
    for element in ("style", "script"):
        [source] = re.findall(f"<{element}>(.*?)</{element}>", html, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy


def test_headings_come_in_order(page: Read) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_link_has_a_place_and_every_place_one_name(page: Read) -> None:
    names = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for link in page.named("a"):
        assert str(link["href"]).removeprefix("#") in names
    for _, attributes in page.tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in names


def test_every_picture_says_what_it_shows(page: Read) -> None:
    pictures = page.named("img")
    assert pictures
    assert all("alt" in picture and picture["width"] and picture["height"] for picture in pictures)
    assert all(attributes.get("aria-label") for _, attributes in page.tags if attributes.get("role") == "img")


def test_every_table_has_a_caption_and_headers_with_a_direction(report: Path, page: Read) -> None:
    html = report.read_text()
    assert html.count("<table") == html.count("<caption>") > 3
    assert all(header.get("scope") in ("col", "row") for header in page.named("th"))


def test_hostile_names_and_reasons_are_text(tmp_path: Path, scoreboard: dict[str, Any]) -> None:
    data = json.loads(json.dumps(scoreboard).replace("toy_generator@", "toy_generator@"))
    for row in [*data["cells"], *data["part_shifts"], *data["parts"], *data["costs"], *data["audits"]]:
        row["generator"] = f"{HOSTILE}{row['generator']}"  # no match stands twice
    for row in data["standings"]["detectors"]:
        row["player"] = row["worst_against"] = HOSTILE
    data["forfeits"] = [
        {"kind": "detector", "player": HOSTILE, "round": 1, "stage": HOSTILE, "against": HOSTILE, "reason": HOSTILE}
    ]
    data["unranked"] = [{"kind": "generator", "player": HOSTILE, "round": 1, "reason": HOSTILE}]
    data["passed_over"] = [{"detector": HOSTILE, "round": 1, "reason": HOSTILE}]
    data["audits"][0]["leaks"] = [HOSTILE]
    data["data"]["source"] = HOSTILE
    data["config"]["detectors"][0]["name"] = HOSTILE
    (tmp_path / "scoreboard.json").write_text(json.dumps(data))
    experiment = {"experiment": HOSTILE, "protocol": HOSTILE, "parameters": {HOSTILE: HOSTILE}, "figures": [HOSTILE],
                  "tables": {HOSTILE: [{HOSTILE: HOSTILE}]}, "leaks": {HOSTILE: [HOSTILE]}, "forfeits": []}  # fmt: skip
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "hostile.json").write_text(json.dumps(experiment))

    found = read(write_report(Home(tmp_path)).read_text())
    assert len(found.named("script")) == len(found.named("style")) == 1
    assert not [attributes for _, attributes in found.tags if "onerror" in attributes]
    assert not [picture for picture in found.named("img") if not str(picture["src"]).startswith("data:")]
    assert found.text.count(HOSTILE) > 10, "it is there, to be read"


def test_what_is_told_is_what_the_scoreboard_says(page: Read, scoreboard: dict[str, Any]) -> None:
    first = scoreboard["standings"]["detectors"][0]
    assert f"{first['player']}@{first['round']}" in page.text
    assert f"{first['worst_auc']:.3f}" in page.text
    # Every figure of every match, each with the ends of its interval.
    for cell in scoreboard["cells"]:
        low, high = cell["accuracy_ci"]
        assert f"{100 * cell['accuracy']:.1f}%" in page.text
        assert f"{100 * low:.1f}%" in page.text or cell["accuracy"] == 0
        assert f"{100 * high:.1f}%" in page.text or cell["accuracy"] == 1
    for split in scoreboard["data"]["split"].values():
        assert split["sha256"] in page.text


def test_the_configuration_can_be_played_as_it_stands(page: Read, make_config: Callable[..., Any]) -> None:
    assert "fakeoff run config.toml" in page.text
    assert 'plugin = "toy_generator"' in page.text
