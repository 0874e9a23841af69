"""A tournament in MLflow: written by the driver alone, and readable by anybody who has MLflow.

One experiment for each arena. In it a run for the tournament, a run for each player with step = round, and, nested
under their player, the attack and defence jobs with their training curves.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from fakeoff.arena.errors import StoreError
from fakeoff.arena.images import Masks
from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.seeds import digest
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.columns import TITLE, player_parameters, tournament_parameters, whose
from fakeoff.leaderboard.mlflow.description import DESCRIPTION, describe
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore, experiment_name
from fakeoff.leaderboard.mlflow.models import ModelLog
from fakeoff.leaderboard.mlflow.pages import NOTES, duel_points, lineage_of, threshold_points, tournament_note
from fakeoff.leaderboard.mlflow.patience import SECONDS
from fakeoff.leaderboard.mlflow.picture import Picture
from fakeoff.leaderboard.mlflow.postprocessed import fragility_tag, postprocessed_points
from fakeoff.leaderboard.mlflow.standings import (
    POSITION,
    standing_points,
    standing_texts,
    unranked_reasons,
    unranked_texts,
)
from fakeoff.leaderboard.mlflow.terms import TERMS, terms_of
from fakeoff.leaderboard.mlflow.views import view_tags
from fakeoff.leaderboard.plots import plots
from fakeoff.leaderboard.plots.heatmap_plots import match_heatmaps
from fakeoff.leaderboard.plots.part_plots import part_histograms, shift_histograms
from fakeoff.leaderboard.plots.parts import newest_parts, shifts_of_round
from fakeoff.leaderboard.plots.postprocessed_plot import postprocessed_plot
from fakeoff.leaderboard.scoreboard import Scoreboard, scoreboard_text
from fakeoff.leaderboard.verdict.duels import find_duels
from fakeoff.protocols.config import LIMITS, Parts, Search, print_config
from fakeoff.protocols.measures import MEASURES
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Curves, Kind, Version, newest
from fakeoff.protocols.rules.pools import beside, what_is_known
from fakeoff.protocols.score.patches import Truth

_FACES = 7
_CONTENTS = 6  # raised when a round logs more than before: a home is then brought up to date


def tournament_id(record: TournamentRecord, name: str = "") -> str:
    """What tells tournaments apart: configuration and data, and a name where it has one.

    The number of rounds may grow, what to do about a leak, what a job may take and what images go through before they
    are scored again decide no other figure, the protocol is the same for all, and as they are by default parts were not
    in the configuration before 0.2 and searches before 0.5.

    Args:
        record: Of the tournament.
        name: Its own, where a home holds several.
    """
    left_out: dict[str, Any] = {"rounds": True, "audit": True, "protocol": True, "compute": set(LIMITS)}
    left_out["score"] = {"through"}
    if record.config.parts == Parts():
        left_out["parts"] = True
    if record.config.search == Search():
        left_out["search"] = True
    config = record.config.model_dump(mode="json", exclude=left_out)
    config["reals"] = record.config.reals.record(source_name=record.source_name)
    return digest([config, record.data, *([name] if name else [])])[:10]


class MlflowLog:
    """Logs records round by round; what was logged before is not logged again.

    Args:
        home: Where the database and the artifacts lie.
        store: Where curves and images are read from.
        server: The address of an MLflow server that keeps them instead; see :class:`MlflowStore`.
        patience: Seconds that MLflow may be away.

    Attributes:
        mended: What was done about a damaged database; empty where there was none.
    """

    def __init__(self, home: Home, store: Store, *, server: str | None = None, patience: float = SECONDS) -> None:
        self._mlflow, self._store = MlflowStore(home, server=server, patience=patience), store
        self._report, self._called = home.report, home.name
        self._state: dict[str, Any] = {}
        self._sought, self.mended = False, ""

    def log_round(self, record: TournamentRecord, scoreboard: Scoreboard) -> None:
        """Logs the record's last round, and closes the tournament after its last one.

        Args:
            record: What was played.
            scoreboard: Derived from it.

        Raises:
            StoreError: MLflow's database cannot be used.
        """
        name = tournament_id(record, self._called)
        self.mended = self.mended or self._mlflow.mend()
        self._state = self._read_state(name, record)
        if self._mlflow.is_shared and not self._sought:
            self._look_again(name)
        if self._fresh(record) or self._finishes(record):
            with self._mlflow.errors():
                self._seek_runs(name)
                if self._fresh(record):
                    self._log_players(record, scoreboard, name)
                    self._log_jobs(record, name)
                    self._log_tournament(record, scoreboard, name)
                    self._log_models(record, scoreboard, name)
                    self._log_views(scoreboard, name)
                    self._state["rounds_logged"] = record.round + 1
                if self._finishes(record):
                    self._finish(record)
                self._write_state(name)

    def hurry(self) -> None:
        """Waits for MLflow no more; may be called from another thread."""
        self._mlflow.hurry()

    def interrupt(self) -> None:
        """Marks the runs of an unfinished tournament as killed; playing on revives them.

        Raises:
            StoreError: MLflow's database cannot be used.
        """
        if self._state and self._state["runs"] and not self._state["finished"]:
            self.hurry()
            with self._mlflow.errors():
                for run_id in self._state["runs"].values():
                    self._client.set_terminated(run_id, status="KILLED")

    def _fresh(self, record: TournamentRecord) -> bool:
        return bool(record.round >= self._state["rounds_logged"])

    def _finishes(self, record: TournamentRecord) -> bool:
        # It was cut short, or it is played on for more rounds.
        if self._state["rounds_logged"] <= record.config.rounds:
            self._state["finished"] = False
        return record.round >= record.config.rounds and not self._state["finished"]

    def _look_again(self, name: str) -> None:
        """A server may have lost what it was told; where it is away, that need not be known yet."""
        with contextlib.suppress(StoreError), self._mlflow.errors():
            self._seek_runs(name)

    def _seek_runs(self, name: str) -> None:
        """Finds what was logged before, here or from another home; what was deleted since is logged anew."""
        if self._sought:
            return
        state = self._state
        found = self._mlflow.find_runs(self._experiment, {"arena.tournament": name})
        there = {run.info.run_id for run in found}
        labelled = {run.data.tags.get("arena.label", ""): run.info.run_id for run in reversed(found)}
        kept = {label: run for label, run in state["runs"].items() if run in there}
        if len(kept) < len(state["runs"]):
            state |= {"rounds_logged": 0, "finished": False}
        if found and not state["runs"]:
            state["started_ms"] = found[0].info.start_time
        state["runs"] = {label: run for label, run in {**labelled, **kept}.items() if label}
        self._sought = True

    def _log_models(self, record: TournamentRecord, scoreboard: Scoreboard, name: str) -> None:
        state = self._state
        log = ModelLog(
            self._mlflow,
            experiment=self._experiment,
            name=state["experiment"],
            tournament=name,
            started_ms=state["started_ms"],
        )
        detectors = newest(record.versions, "detector")
        log.log(record, scoreboard, {one.player: state["runs"][f"detector {one.player}"] for one in detectors})

    def _log_views(self, scoreboard: Scoreboard, name: str) -> None:
        started_ms = self._state["started_ms"]
        for key, value in view_tags(scoreboard, tournament=name, created_ms=started_ms, name=self._called).items():
            self._client.set_experiment_tag(self._experiment, key, value)
        tags = self._client.get_experiment(self._experiment).tags
        self._client.set_experiment_tag(self._experiment, DESCRIPTION, describe(self._experiment, tags))

    def _log_tournament(self, record: TournamentRecord, scoreboard: Scoreboard, name: str) -> None:
        tags = {"arena.kind": "tournament", "arena.tournament": name, "mlflow.note.content": NOTES["tournament"]}
        run = self._run(f"tournament {self._called or name}", tags, label=f"tournament {name}")
        self._revive(run)
        self._mlflow.parameters(run, tournament_parameters(scoreboard))
        said = {
            "rounds": record.config.rounds,
            "on_leak": record.config.audit.on_leak,
            "through": ", ".join(record.config.score.through) or "-",
            "forfeits": len(record.forfeits),
        }
        self._mlflow.tags(
            run,
            {
                TERMS: terms_of(scoreboard),
                TITLE: self._called or name,
                "mlflow.note.content": tournament_note(scoreboard),
                **{key: str(value) for key, value in said.items()},
            },
        )
        self._client.log_text(run, scoreboard_text(scoreboard), "scoreboard.json")
        self._client.log_text(run, print_config(record.config), "config.toml")
        if record.round >= record.config.rounds and self._report.is_file():
            self._client.log_artifact(run, str(self._report))
        matrix = plots.payoff_matrix(scoreboard) if scoreboard.cells else None
        if matrix is not None:
            self._picture(run, matrix, folder="payoff", key="payoff matrix", step=record.round)
        if scoreboard.chains:
            behind = postprocessed_plot(scoreboard)
            self._picture(run, behind, folder="postprocessed", key="behind what images go through", step=record.round)
        targets = [entry for entry in shifts_of_round(scoreboard, record.round) if entry.is_target]
        if targets:
            shifts = shift_histograms(scoreboard, targets)
            self._picture(run, shifts, folder="part_shift", key="parts before and after", step=record.round)
        if find_duels(scoreboard):
            self._client.log_figure(run, plots.duel_chart(scoreboard), "duels.png")
            self._log_duels(run, scoreboard, record.round)

    def _log_duels(self, run: str, scoreboard: Scoreboard, round_: int) -> None:
        points: dict[str, float] = {}
        for duel in find_duels(scoreboard):
            if duel.generator_round == round_:
                points |= duel_points(duel, title=f"{duel.generator} vs {duel.detector}")
        self._metrics(run, points, round_)

    def _log_players(self, record: TournamentRecord, scoreboard: Scoreboard, name: str) -> None:
        duels = [duel for duel in find_duels(scoreboard) if duel.generator_round == record.round]
        standings, texts = standing_points(scoreboard), standing_texts(scoreboard)
        unranked = unranked_reasons(scoreboard)
        for version in (*newest(record.versions, "generator"), *newest(record.versions, "detector")):
            # A player without a version of this round (it cannot be trained, or is out) met new opponents all the same.
            run = self._player_run(version.kind, version.player, name)
            player = version.kind, version.player
            # Who takes no place comes after all who do.
            points = dict(standings.get(player, {POSITION: float(len(standings) + 1)}))
            missing = unranked.get(player, "no matches that count")
            said = dict(texts.get(player) or unranked_texts(version.kind, missing, scoreboard.confidence))
            opponents: Kind = "generator" if version.kind == "detector" else "detector"
            said |= fragility_tag(scoreboard, version)
            known = whose(scoreboard, version.kind, tournament=self._called or name)
            self._mlflow.tags(run, {**said, **known, TERMS: terms_of(scoreboard, opponents)})
            self._mlflow.parameters(run, player_parameters(scoreboard, version.kind, version.player))
            for measure in MEASURES:
                points |= measure.points(
                    scoreboard.of(measure),
                    kind=version.kind,
                    player=version.player,
                    version=version.round,
                    newest=scoreboard.newest,
                    round_=record.round,
                )
            points |= postprocessed_points(scoreboard, version)
            for duel in duels:
                if version.kind == "generator" and duel.generator == version.player:
                    points |= duel_points(duel, title=duel.detector)
            self._metrics(run, points, record.round)
            if version.kind == "generator" and version.round == record.round:
                self._log_faces(run, version, record)
            self._log_parts(run, version, record, scoreboard)
        self._log_forfeits(record, name)
        for detector in {one.detector: None for one in scoreboard.masking}:
            lines = [one.sentence for one in scoreboard.masking if one.detector == detector]
            run = self._player_run("detector", detector, name)
            self._client.set_tag(run, "arena.masking", "\n".join(lines)[:4000])

    def _log_forfeits(self, record: TournamentRecord, name: str) -> None:
        reasons: dict[tuple[str, str], list[str]] = {}
        for forfeit in record.forfeits:
            against = f" on {forfeit.against}" if forfeit.against else ""
            reason = f"round {forfeit.round}: {forfeit.stage}{against}: {forfeit.reason}"
            reasons.setdefault((forfeit.kind, forfeit.player), []).append(reason)
        for (kind, player), lines in reasons.items():
            run = self._player_run(kind, player, name)
            self._client.set_tag(run, "arena.forfeit", "\n".join(lines)[:4000])

    def _log_faces(self, run: str, version: Version, record: TournamentRecord) -> None:
        older = [
            v
            for v in record.versions
            if v.kind == "generator" and v.player == version.player and v.round in (0, version.round - 1)
        ]
        lineup = sorted({v.label: v for v in [*older, version]}.values(), key=lambda v: v.round)
        pools = [(v, self._store.read(v.pools["test"])) for v in lineup]
        rows = [(f"{v.label}{lineage_of(v)}", pool.arrays["images"][:_FACES]) for v, pool in pools]
        spread = self._store.read(record.real_pools[version.resolution]["test"]).arrays["images"]
        rows.append(("held-out real people", spread[:: max(1, len(spread) // _FACES)][:_FACES]))
        figure = plots.before_and_after(rows)
        self._picture(run, figure, folder="faces", key="faces before and after", step=version.round)

    def _log_parts(self, run: str, version: Version, record: TournamentRecord, scoreboard: Scoreboard) -> None:
        """A detector's histograms and heatmaps at the newest generators; how a generator's attack moved the parts."""
        cells = newest_parts(scoreboard, version.kind, version.player)
        shifts = shifts_of_round(scoreboard, record.round, kind=version.kind, player=version.player)
        if version.kind == "generator" and shifts:
            figure = shift_histograms(scoreboard, shifts)
            self._picture(run, figure, folder="part_shift", key="parts before and after", step=record.round)
        if version.kind == "detector" and cells:
            figure = part_histograms(scoreboard, cells)
            self._picture(run, figure, folder="parts", key="parts", step=record.round)
        opponents = [v.label for v in newest(record.versions, "generator")]
        for look in record.looks:
            maker, judge = look.generator, look.detector
            if version.kind == "detector" and judge.label == version.label and maker.label in opponents:
                keys: dict[Truth, str] = {
                    "real": record.real_pools[maker.resolution]["test"],
                    "fake": maker.pools["test"],
                }
                figure = match_heatmaps(
                    f"{judge.label} looking at {maker.label}",
                    {truth: self._store.read(key) for truth, key in look.keys.items()},
                    {truth: self._store.read(key).arrays["images"] for truth, key in keys.items()},
                    masks=self._masks(maker.pools["test"]),
                )
                folder, key = f"heatmaps/{maker.player}", f"heatmaps of {maker.player}"
                self._picture(run, figure, folder=folder, key=key, step=record.round)

    def _masks(self, pool: str) -> Masks | None:
        if "mask" not in what_is_known(pool, self._store):
            return None
        masks: Masks = self._store.read(beside(pool, "mask")).arrays["images"]
        return masks

    def _log_jobs(self, record: TournamentRecord, name: str) -> None:
        for version in record.versions:
            if version.round != record.round or (version.kind == "generator" and not version.targets):
                continue
            verb = "attack" if version.kind == "generator" else "defend"
            parent = self._player_run(version.kind, version.player, name)
            tags = {"arena.kind": "job", "arena.tournament": name, "mlflow.parentRunId": parent}
            title = f"{verb} {version.label}"
            run = self._run(title, tags, label=f"{verb} {version.player}:{version.round}")
            self._client.update_run(run, name=title)  # an older Fakeoff called it by its label
            result = self._store.read(version.key)
            self._curves(run, result)
            targets = {"arena.targets": ", ".join(version.targets)} if version.targets else {}
            self._mlflow.tags(run, {"arena.result": version.key, **targets})
            if version.kind == "detector":
                self._metrics(run, threshold_points(version.thresholds(self._store)), 0)
            self._client.set_terminated(run, status="FINISHED")

    def _curves(self, run: str, result: Result) -> None:
        training = result.figures(Curves)
        points = [
            (f"train/{name}", value, step)
            for name, values in training.curves.items()
            for step, value in enumerate(values, start=1)
        ]
        points += [("val/accuracy", value, int(step)) for step, value in training.val_curve]
        self._mlflow.points(run, points, started_ms=self._state["started_ms"])

    def _finish(self, record: TournamentRecord) -> None:
        failed = {f"{forfeit.kind} {forfeit.player}" for forfeit in record.forfeits}
        for label, run in self._state["runs"].items():
            self._client.set_terminated(run, status="FAILED" if label in failed else "FINISHED")
        self._state["finished"] = True

    def _player_run(self, role: str, player: str, name: str) -> str:
        tags = {
            "arena.kind": "player",
            "arena.role": role,
            "arena.tournament": name,
            "arena.player": player,
            "mlflow.note.content": NOTES[role],
        }
        run = self._run(player, tags, label=f"{role} {player}")
        self._revive(run)
        self._client.set_tag(run, "mlflow.note.content", NOTES[role])  # an older Fakeoff said less
        return run

    def _run(self, title: str, tags: Mapping[str, str], *, label: str = "") -> str:
        """The id of a run, made on first need."""
        label, state = label or title, self._state
        if label not in state["runs"]:
            state["runs"][label] = self._mlflow.run(
                self._experiment, label, title=title, tags=tags, started_ms=state["started_ms"]
            )
            self._write_state(tags["arena.tournament"])
        return state["runs"][label]  # type: ignore[no-any-return]

    def _revive(self, run: str) -> None:
        self._client.update_run(run, status="RUNNING")

    def _metrics(self, run: str, points: Mapping[str, float], step: int) -> None:
        started_ms = self._state["started_ms"]
        self._mlflow.points(run, [(name, value, step) for name, value in points.items()], started_ms=started_ms)

    def _picture(self, run: str, figure: Figure, *, folder: str, key: str, step: int) -> None:
        """Keeps a figure in full size among the artifacts, and under the slider through the rounds."""
        picture = Picture(plots.to_pixels(figure))
        self._client.log_image(run, picture, artifact_file=f"{folder}/round-{step:03d}.png")
        self._mlflow.image(run, key, picture, step=step, started_ms=self._state["started_ms"])

    @property
    def _client(self) -> Any:
        return self._mlflow.client

    @property
    def _experiment(self) -> str:
        return self._mlflow.experiment(self._state["experiment"])

    def _read_state(self, name: str, record: TournamentRecord) -> dict[str, Any]:
        if self._state.get("name") == name:
            return self._state
        contents = [_CONTENTS, *record.config.score.through]
        fresh = {
            "name": name,
            "experiment": experiment_name(
                record.source_name, resolution=record.config.arena.resolution, colour=record.data["colour"]
            ),
            "started_ms": int(time.time() * 1000),
            "runs": {},
            "rounds_logged": 0,
            "contents": contents,
            "finished": False,
        }
        kept = self._mlflow.read_state(name)
        if kept.get("contents", 1) != contents and kept:
            # Points that are logged again have the same timestamps, and pictures the same names.
            kept = {**kept, "rounds_logged": 0, "contents": contents}
        return {**fresh, **kept}

    def _write_state(self, name: str) -> None:
        self._mlflow.write_state(name, self._state)
