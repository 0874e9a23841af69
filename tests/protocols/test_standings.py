"""Standings of matches made by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.forensics.report import AuditReport, Finding, Side
from fakeoff.protocols.measures import Audit, Match
from fakeoff.protocols.measures.changes import find_changes
from fakeoff.protocols.measures.gates import counted_matches, find_unranked
from fakeoff.protocols.measures.standings import (
    detector_standings,
    generator_standings,
    rank_detectors,
    rank_generators,
    rank_on_val,
)
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Kind, Unranked, Version, newest
from fakeoff.protocols.score.blind import Judging, Mixture, OnVal
from fakeoff.protocols.score.intervals import Figure, quantile
from fakeoff.protocols.score.metrics import DRAWN, METRICS, MatchFigures
from fakeoff.protocols.score.ranks import find_places


def _generator(player: str, round_: int = 0, *, targets: tuple[str, ...] = ()) -> Version:
    return Version(kind="generator", player=player, round=round_, key="", targets=targets)


def _detector(player: str, round_: int = 0) -> Version:
    return Version(kind="detector", player=player, round=round_, key="")


def _match(generator: Version, detector: Version, **figures: float) -> Match:
    known = {metric: figures.get(metric, 0.5) for metric in METRICS}
    rng = np.random.default_rng(0)  # the same people for all
    noise = 0.01 * rng.standard_normal(200)
    drawn = {
        metric: Figure(value=known[metric], draws=np.clip(known[metric] + noise, 0, 1), units=20, least=1e-3)
        for metric in DRAWN
    }
    intervals: dict[str, Any] = {f"{metric}_ci": (0.0, 1.0) for metric in METRICS}
    return Match(
        generator=generator,
        detector=detector,
        judging=Judging(key="", mixture=Mixture(reals=(), fakes=(), seed=0)),
        figures=MatchFigures(n_real=1, n_fake=1, **known, **intervals),
        drawn=drawn,
    )


def _order(standings: list[Any]) -> list[str]:
    return [f"{standing.player}@{standing.round}" for standing in standings]


def test_detectors_are_ranked_by_their_worst_match_before_their_mean() -> None:
    easy, hard = _generator("easy"), _generator("hard")
    steady, brilliant = _detector("steady"), _detector("brilliant")
    matches = [
        _match(easy, steady, auc=0.7, ap=0.6, accuracy=0.55),
        _match(hard, steady, auc=0.6, ap=0.8, accuracy=0.65),
        _match(easy, brilliant, auc=1.0),
        _match(hard, brilliant, auc=0.55),
    ]
    first, second = rank_detectors(matches, [brilliant, steady])
    assert (first.player, first.worst_auc, first.worst_against, first.matches) == ("steady", 0.6, "hard@0", 2)
    assert abs(first.mean_auc - 0.65) < 1e-12
    assert abs(first.mean_ap - 0.7) < 1e-12
    assert abs(first.mean_accuracy - 0.6) < 1e-12
    assert (second.player, second.worst_auc, second.mean_auc) == ("brilliant", 0.55, 0.775)


def test_of_detectors_with_the_same_worst_match_the_higher_mean_leads() -> None:
    generators = [_generator("one"), _generator("two")]
    low, high = _detector("a_low"), _detector("b_high")
    matches = [
        _match(generators[0], low, auc=0.5),
        _match(generators[1], low, auc=0.6),
        _match(generators[0], high, auc=0.9),
        _match(generators[1], high, auc=0.5),
    ]
    assert _order(rank_detectors(matches, [low, high])) == ["b_high@0", "a_low@0"]


def test_ties_are_broken_by_name_whatever_the_order_of_the_matches() -> None:
    generator = _generator("pgan")
    detectors = [_detector(name) for name in ("c", "a", "b")]
    matches = [_match(generator, detector, auc=0.8, recall_fake=0.3) for detector in detectors]
    assert _order(rank_detectors(matches, detectors)) == ["a@0", "b@0", "c@0"]
    assert _order(rank_detectors(matches[::-1], detectors[::-1])) == ["a@0", "b@0", "c@0"]

    generators = [_generator(name) for name in ("z", "y")]
    matches = [_match(other, detectors[0], recall_fake=0.3) for other in generators]
    assert _order(rank_generators(matches, generators, lineage=generators)) == ["y@0", "z@0"]


def test_the_worst_opponent_of_a_tie_is_the_first_by_name() -> None:
    detector = _detector("only")
    matches = [_match(_generator(name), detector, auc=0.5) for name in ("b", "a")]
    assert rank_detectors(matches, [detector])[0].worst_against == "a@0"


def test_a_version_without_a_match_has_no_place() -> None:
    generator, detector = _generator("pgan"), _detector("seen")
    matches = [_match(generator, detector)]
    assert _order(rank_detectors(matches, [detector, _detector("unseen")])) == ["seen@0"]
    assert _order(rank_generators(matches, [generator, _generator("unseen")], lineage=[])) == ["pgan@0"]


def test_only_a_versions_own_matches_count() -> None:
    old, new, detector = _generator("pgan", 0), _generator("pgan", 1), _detector("judge")
    matches = [_match(old, detector, recall_fake=1.0), _match(new, detector, recall_fake=0.25)]
    [standing] = rank_generators(matches, [new], lineage=[old, new])
    assert (standing.round, standing.evasion, standing.matches) == (1, 0.75, 1)


def test_evasion_leaves_out_every_detector_that_the_lineage_was_trained_against() -> None:
    lineage = [_generator("pgan", 0), _generator("pgan", 1, targets=("a@0",)), _generator("pgan", 2, targets=("b@1",))]
    recalls = {"a@0": 0.0, "b@1": 0.1, "a@1": 0.6, "b@0": 0.8}
    detectors = [_detector("a", 0), _detector("b", 1), _detector("a", 1), _detector("b", 0)]
    matches = [_match(lineage[2], detector, recall_fake=recalls[detector.label]) for detector in detectors]
    [standing] = rank_generators(matches, [lineage[2]], lineage=lineage)
    # a@0 was the target of pgan@1, from which pgan@2 descends; only a@1 and b@0 are strangers.
    assert abs(standing.evasion - (0.4 + 0.2) / 2) < 1e-12
    assert standing.matches == 2
    # The last attack's target alone: b@1.
    assert standing.target_evasion == 0.9


def test_another_players_and_a_later_attacks_targets_do_not_count_as_trained_against() -> None:
    early, late = _generator("pgan", 0), _generator("pgan", 1, targets=("a@0",))
    rival = _generator("rival", 1, targets=("b@0",))
    detectors = [_detector("a"), _detector("b")]
    matches = [_match(early, detector, recall_fake=0.5) for detector in detectors]
    [standing] = rank_generators(matches, [early], lineage=[early, late, rival])
    assert (standing.matches, standing.target_evasion) == (2, None)


def test_a_generator_that_met_only_its_targets_has_no_place() -> None:
    attacker = _generator("pgan", 1, targets=("a@0",))
    matches = [_match(attacker, _detector("a"), recall_fake=0.0)]
    assert rank_generators(matches, [attacker], lineage=[attacker]) == []


def test_of_the_same_evasion_the_one_that_fooled_its_target_more_leads() -> None:
    weak = _generator("a_weak", 1, targets=("t@0",))
    strong = _generator("b_strong", 1, targets=("t@0",))
    untrained = _generator("c_fixed", 0)
    target, stranger = _detector("t"), _detector("s")
    matches = [
        _match(weak, target, recall_fake=0.9),
        _match(weak, stranger, recall_fake=0.5),
        _match(strong, target, recall_fake=0.2),
        _match(strong, stranger, recall_fake=0.5),
        _match(untrained, stranger, recall_fake=0.5),
    ]
    versions = [untrained, weak, strong]
    ranked = rank_generators(matches, versions, lineage=versions)
    assert _order(ranked) == ["b_strong@1", "a_weak@1", "c_fixed@0"]
    assert [standing.target_evasion for standing in ranked] == [0.8, 1 - 0.9, None]


def test_evasion_of_all_targets_is_their_mean() -> None:
    attacker = _generator("pgan", 1, targets=("a@0", "b@0"))
    matches = [
        _match(attacker, _detector("a"), recall_fake=0.0),
        _match(attacker, _detector("b"), recall_fake=0.5),
        _match(attacker, _detector("a", 1), recall_fake=1.0),
    ]
    [standing] = rank_generators(matches, [attacker], lineage=[attacker])
    assert (standing.evasion, standing.target_evasion, standing.matches) == (0.0, 0.75, 1)


def test_newest_takes_each_players_last_version_by_name() -> None:
    versions = [_generator("b", 0), _generator("a", 2), _generator("a", 1), _detector("a", 5), _generator("b", 1)]
    kinds: tuple[Kind, ...] = ("generator", "detector")
    assert [[v.label for v in newest(versions, kind)] for kind in kinds] == [["a@2", "b@1"], ["a@5"]]


def test_the_champion_is_the_best_on_val_and_what_tells_equals_apart_comes_in_order() -> None:
    judged = [
        (_detector("a"), OnVal(aucs=(1.0, 0.8), accuracy=0.9, margin=-0.2, threshold=0.5)),
        (_detector("b"), OnVal(aucs=(0.9, 0.9), accuracy=0.5, margin=-0.9, threshold=0.5)),  # the better worst case
        (_detector("c"), OnVal(aucs=(0.9, 0.95), accuracy=0.4, margin=-0.9, threshold=0.5)),  # and mean
        (_detector("d"), OnVal(aucs=(0.9, 0.95), accuracy=0.8, margin=-0.9, threshold=0.5)),  # and accuracy
        (_detector("e"), OnVal(aucs=(0.9, 0.95), accuracy=0.8, margin=-0.1, threshold=0.5)),  # and margin
        (_detector("f"), OnVal(aucs=(0.9, 0.95), accuracy=0.8, margin=-0.1, threshold=0.5)),  # nothing but its name
    ]
    for order in (judged, judged[::-1], judged[3:] + judged[:3]):
        assert [version.player for version in rank_on_val(order)] == ["e", "f", "d", "c", "b", "a"]


def test_matches_of_who_is_unranked_do_not_count_for_generators() -> None:
    maker, honest, crowd = _generator("maker"), _detector("honest"), _detector("crowd")
    record = TournamentRecord(
        config=TournamentConfig(),
        source_name="",
        data={},
        round=0,
        versions=(maker, honest, crowd),
        measured={
            "match": (
                _match(maker, honest, auc=0.9, recall_fake=0.75),
                _match(maker, crowd, auc=0.9, recall_fake=0.0),
            )
        },
        forfeits=(),
        unranked=(Unranked(kind="detector", player="crowd", round=0, reason="depends on its company"),),
        real_pools={},
    )
    [standing] = generator_standings(record)
    assert (standing.evasion, standing.matches) == (0.25, 1)
    assert [one.player for one in detector_standings(record)] == ["honest"]


def test_equals_share_a_rank_and_who_cannot_be_told_from_the_first_may_be_best() -> None:
    generator = _generator("pgan")
    aucs = {"a": 0.9, "b": 0.9, "c": 0.899, "d": 0.5}
    detectors = [_detector(name) for name in aucs]
    matches = [_match(generator, detector, auc=aucs[detector.player]) for detector in detectors]
    standings = rank_detectors(matches, detectors)
    assert [one.player for one in standings] == ["a", "b", "c", "d"]
    assert [one.rank for one in standings] == [1, 1, 3, 4]
    # The draws of all are the same people: only d is apart for sure.
    assert [one.rank_ci for one in standings[:3]] == [(1, 3), (1, 3), (1, 3)]
    assert standings[3].rank_ci == (4, 4)
    assert [one.p_best for one in standings] == pytest.approx([0.5, 0.5, 0, 0])
    assert standings[0].ahead == 0
    assert standings[2].ahead == pytest.approx(0.399)
    assert standings[2].ahead_ci is not None
    assert standings[2].ahead_ci[0] > 0
    assert (standings[3].ahead, standings[3].ahead_ci) == (None, None)


def test_every_figure_of_a_standing_has_an_interval_around_it() -> None:
    generators = [_generator("one"), _generator("two", 1, targets=("judge@0",))]
    judge, other = _detector("judge"), _detector("other")
    matches = [_match(maker, each, auc=0.7, recall_fake=0.4) for maker in generators for each in (judge, other)]
    [detector] = rank_detectors(matches, [judge])
    for name in ("worst_auc", "mean_auc", "mean_ap", "mean_accuracy"):
        low, high = getattr(detector, f"{name}_ci")
        assert 0 <= low < getattr(detector, name) < high <= 1
    [generator] = rank_generators(matches, [generators[1]], lineage=generators)
    for name in ("evasion", "target_evasion"):
        low, high = getattr(generator, f"{name}_ci")
        assert 0 <= low < getattr(generator, name) < high <= 1
    assert (detector.rank, detector.rank_ci, detector.p_best) == (1, (1, 1), 1.0)
    for rank, players in ((rank_detectors, [judge]), (partial(rank_generators, lineage=generators), generators[1:])):
        plain, said, surer = rank(matches, players), *(rank(matches, players, confidence=c) for c in (0.95, 0.99))
        assert plain == said != surer


def test_a_record_knows_whom_a_lineage_was_trained_against() -> None:
    target, stranger = _detector("target"), _detector("stranger")
    attacker = _generator("pgan", 1, targets=("target@0",))
    matches = [_match(attacker, target, recall_fake=0.0), _match(attacker, stranger, recall_fake=0.75)]
    config = TournamentConfig.model_validate({"score": {"least_auc": 0}})
    record = _record(matches, config=config, versions=(attacker, target, stranger))
    [standing] = generator_standings(record)
    assert (standing.evasion, standing.matches, standing.target_evasion) == (0.25, 1, 1.0)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_ranks_hold_for_all_pairs_at_once_and_are_of_the_first_merit(count: int) -> None:
    units, pairs = 40, count * (count - 1) // 2
    noise = 0.01 * np.random.default_rng(0).standard_normal((2, 500))
    error = float(np.std(noise[0] - noise[1]) * (units / (units - 1)) ** 0.5)

    def figure(value: float, draws: Any) -> Figure:
        return Figure(value=value, draws=value + draws, units=units, least=1e-9)

    for times, places in ((1.01, (1, 1)), (0.99, (1, 2))):
        gap = times * quantile(1 - 0.05 / pairs, units) * error
        last = figure(0.9, np.zeros(500))  # of the second merit, which says the reverse
        merits = [(figure(0.5 + gap, noise[0]), figure(0.1, noise[1])), (figure(0.5, noise[1]), last)]
        merits += [(figure(0.3 - 0.01 * place, np.zeros(500)), last) for place in range(count - 2)]
        first, second, *others = find_places(merits, 0.95)
        assert (first.rank, first.rank_ci) == (1, places)
        assert second.rank_ci == ((2, 2) if places == (1, 1) else (1, 2))
        assert [one.rank_ci for one in others] == [(place, place) for place in range(3, count + 1)]
        assert first.ahead == pytest.approx(gap)
        reach = quantile(0.95, units) * error  # of this one difference alone
        assert first.ahead_ci == pytest.approx((gap - reach, gap + reach))


def test_changes_are_of_the_frozen_target_and_of_its_successor() -> None:
    before, after = _generator("pgan"), _generator("pgan", 1, targets=("judge@0",))
    frozen, retrained, bystander = _detector("judge"), _detector("judge", 1), _detector("other")
    aucs = {("pgan@0", "judge@0"): 0.95, ("pgan@1", "judge@0"): 0.6, ("pgan@1", "judge@1"): 0.9}
    pairs = [(maker, judge) for maker in (before, after) for judge in (frozen, retrained, bystander)]
    matches = [_match(maker, judge, auc=aucs.get((maker.label, judge.label), 0.5)) for maker, judge in pairs]
    rows = {row.metric: row for row in find_changes(matches, confidence=0.95)}
    assert set(rows) == {"accuracy", "ap", "auc"}
    row = rows["auc"]
    assert (row.generator, row.generator_round, row.detector, row.detector_round) == ("pgan", 1, "judge", 0)
    assert (row.change, row.recovery) == (pytest.approx(-0.35), pytest.approx(0.3))
    assert row.change_ci is not None
    assert row.change_ci[0] < -0.35 < row.change_ci[1] < 0
    assert rows["ap"].change == 0
    alone = find_changes([match for match in matches if match.generator is after], confidence=0.95)
    assert {row.change for row in alone} == {None}


def _record(matches: list[Match], **over: Any) -> TournamentRecord:
    versions = {version.label: version for match in matches for version in match.subjects}
    given = {"config": TournamentConfig(), "measured": {"match": tuple(matches)}, "versions": tuple(versions.values())}
    rest = {"source_name": "", "data": {}, "round": 1, "forfeits": (), "unranked": (), "real_pools": {}}
    return TournamentRecord(**{**rest, **given, **over})


def test_a_detector_that_was_weak_before_any_attack_takes_no_place_in_any_round() -> None:
    first, attacked = _generator("pgan"), _generator("pgan", 1)
    weak = [_detector("weak"), _detector("weak", 1)]
    good = _detector("good")
    aucs = {("pgan@0", "weak@0"): 0.7, ("pgan@0", "weak@1"): 0.95, ("pgan@1", "good@0"): 0.3}
    matches = [
        _match(maker, judge, auc=aucs.get((maker.label, judge.label), 0.9))
        for maker in (first, attacked)
        for judge in (*weak, good)
    ]
    record = _record(matches)
    unranked = find_unranked(record)
    assert [(one.player, one.round) for one in unranked] == [("weak", 0), ("weak", 1)]
    assert "an AUC of 0.700, and 0.8 is asked (score.least_auc)" in unranked[0].reason
    assert [one.player for one in detector_standings(record)] == ["good"]  # an attack is no reason
    assert {match.detector.player for match in counted_matches(record)} == {"good"}
    all_ranked = TournamentConfig.model_validate({"score": {"least_auc": 0}})
    assert [one.player for one in detector_standings(_record(matches, config=all_ranked))] == ["weak", "good"]


@pytest.mark.parametrize(("auc", "asked"), [(0.25, True), (0.45, False), (0.7, False)])
def test_a_detector_that_may_be_turned_round_is_asked_whether_it_is(auc: float, asked: bool) -> None:
    """Eight people leave an AUC of 0.25 uncertain, and no other warning speaks then."""
    maker, judge = _generator("pgan"), _detector("judge")
    [one] = find_unranked(_record([_match(maker, judge, auc=auc)]))
    assert ("P(real)" in one.reason) == asked
    assert ("turned round it would have 0.750" in one.reason) == asked


def test_matches_with_fakes_that_format_tells_count_for_nobody() -> None:
    clean, leaking, judge = _generator("clean"), _generator("leaking"), _detector("judge")
    matches = [_match(clean, judge, auc=0.9), _match(leaking, judge, auc=1.0)]
    finding = Finding(check="size", gravity="leak", sentence="sizes: 64 on all fakes", advice="", figures={})
    side = Side(images={"test": 100})
    report = AuditReport(real=side, fake=side, measured=200, comparisons=1, findings=(finding,), probe=None, seed=0)
    audits = (Audit(generator=leaking, key="", figures=report),)
    record = _record(matches, measured={"match": tuple(matches), "audit": audits})
    [one] = find_unranked(record)
    assert (one.kind, one.player) == ("generator", "leaking")
    assert one.reason == "format alone tells its fakes from their reals: sizes: 64 on all fakes"
    assert [standing.worst_auc for standing in detector_standings(record)] == [0.9]
