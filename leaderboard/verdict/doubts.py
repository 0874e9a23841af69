"""What makes a result worth less than it looks: judges that never learned, idle attacks, untrained generators."""

from __future__ import annotations

from collections.abc import Iterator

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.attacks import find_attacked
from fakeoff.leaderboard.verdict.words import listed, version, versions
from fakeoff.protocols.measures import QualityGate
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.measures.trainings import Training
from fakeoff.protocols.score.telling import tell, tell_figure

_GUESSING = 0.5
_FIXED, _FAKE_CLASS = "fixed", "fake_class"
_LEARNED = 0.9
"""A detector that is right on so much of val has learned, whether or not it might learn more."""

_TELLS = 0.8
"""A detector with such an AUC tells fakes from reals, wherever it puts its threshold."""

_OFF = 0.2
"""So much more would be right at another threshold than at 0.5."""

_SAME = 0.999
"""An attack that leaves an image this like (SSIM) has not changed it."""


def tell_below_chance(scoreboard: Scoreboard) -> Iterator[str]:
    """Detector versions that take fakes for reals more often than guessing would, for sure, before any attack.

    One that does so of every generator as it came, and was not trained against their attacks, has fake and real the
    wrong way round: it is asked whether it returns P(real), with what to set. One that is below chance somewhere, or
    became so later, is told without that: being fooled is no swapped label.
    """
    of_judge: dict[tuple[str, int], list[MatchRow]] = {}
    for cell in scoreboard.cells:
        if cell.generator_round == 0:
            of_judge.setdefault((cell.detector, cell.detector_round), []).append(cell)
    for (name, round_), cells in of_judge.items():
        below = [cell for cell in cells if (interval := cell.interval("auc")) and interval[1] < _GUESSING]
        told = [f"{version(cell.generator, 0)}: AUC {tell(cell.auc, cell.interval('auc'))}" for cell in below]
        if round_ == 0 and below and len(below) == len(cells):
            yield (
                f"{version(name, round_)} is below chance on {listed(told)}, that is on every generator as it came, "
                "and nobody had attacked it. Does it return P(real), where P(fake) is asked for? "
                f"{_mend(scoreboard, name)}. Who evades it evades nothing."
            )
        elif below:
            yield (
                f"{version(name, round_)} is below chance on {listed(told)}, which attacked nobody yet. Who evades it "
                "there evades nothing."
            )


def _mend(scoreboard: Scoreboard, name: str) -> str:
    """What turns a detector's scores round, in words that can be typed where there is a setting."""
    for one in scoreboard.config.get("detectors", ()):
        if one.get("name") == name and one.get("plugin") == _FIXED:
            turned = 1 - int(one.get("parameters", {}).get(_FAKE_CLASS, 1))
            return f"Turn it round: --set detectors.{name}.{_FAKE_CLASS}={turned}"
    return "Let its score return P(fake)"


def tell_off_centre(scoreboard: Scoreboard) -> Iterator[str]:
    """Detector versions that tell fakes from reals, with scores that lie on one side of 0.5, before any attack."""
    told = set()
    for cell in scoreboard.cells:
        judge = version(cell.detector, cell.detector_round)
        gain = cell.accuracy_val_threshold - cell.accuracy
        if cell.generator_round == 0 and cell.auc >= _TELLS and gain >= _OFF and judge not in told:
            told.add(judge)
            called = "fake" if cell.recall_fake > _GUESSING else "real"
            right, could = (
                tell_figure(share, digits=0, percent=True) for share in (cell.accuracy, cell.accuracy_val_threshold)
            )
            yield (
                f"{judge} tells the fakes of {version(cell.generator, 0)} from reals (AUC {tell_figure(cell.auc)}), "
                f"and calls too much {called}: {right} are right where fake begins at 0.5, and {could} where val would "
                "put it. If it came finished: are mean, std and output as it was trained? Accuracy and evasion are "
                "counted at 0.5."
            )


def tell_unfinished(scoreboard: Scoreboard) -> Iterator[str]:
    """Detector versions whose steps were over before they had learned; those of as many steps together."""
    unfinished: dict[int, list[Training]] = {}
    for one in scoreboard.trainings:
        if one.kind == "detector" and one.ended == "limit" and (one.val_accuracy or 0.0) < _LEARNED:
            unfinished.setdefault(one.steps, []).append(one)
    for steps, rows in unfinished.items():
        rounds: dict[str, list[int]] = {}
        for one in rows:
            rounds.setdefault(one.player, []).append(one.round)
        shares = sorted(one.val_accuracy or 0.0 for one in rows)
        right = [tell_figure(share, digits=0, percent=True) for share in (shares[0], shares[-1])]
        many = len(rows) > 1
        yield (
            f"{listed([versions(player, sorted(of)) for player, of in rounds.items()])} "
            f"{'were' if many else 'was'} still learning when {'their' if many else 'its'} {steps} steps were over "
            f"({' to '.join(dict.fromkeys(right))} right on val): fakes that pass {'them' if many else 'it'} evaded "
            f"{'unfinished judges' if many else 'an unfinished judge'}. Give {'them' if many else 'it'} more: "
            "--set defend.steps=..."
        )


def tell_idle_attacks(scoreboard: Scoreboard) -> Iterator[str]:
    """Attacks that did nothing: to the images, or to the detector that they were against."""
    ssim = {row.version_of("generator"): row.ssim_to_first for row in scoreboard.costs}
    idle: dict[tuple[str, int], list[str]] = {}
    for one in find_attacked(scoreboard):
        maker = (one.duel.generator, one.duel.generator_round)
        if ssim.get(maker, 0.0) >= _SAME and maker[1] == 1:
            yield (
                f"The attack that made {version(*maker)} left the images as they were (SSIM "
                f"{tell_figure(ssim[maker])}): it needs more steps or a higher rate (attack.steps, attack.rate)."
            )
        elif one.outcome == "fooled nobody":
            idle.setdefault(maker, []).append(version(one.duel.detector, one.duel.detector_round))
    lengths = {(one.player, one.round): one.steps for one in scoreboard.trainings if one.kind == "generator"}
    for maker, targets in idle.items():
        steps = f" of {lengths[maker]} steps" if maker in lengths else ""
        yield (
            f"The attack{steps} that made {version(*maker)} did not lower the accuracy of {listed(targets)} for sure: "
            "that a detector stood so little says little. fakeoff challenge attacks it harder."
        )


def tell_untrained(scoreboard: Scoreboard) -> Iterator[str]:
    """Generators whose fakes were no faces before anybody attacked."""
    for row in scoreboard.of(QualityGate):
        if row.generator_round == 0 and row.faults:
            yield (
                f"{row.generator} makes no faces: {row.faults[0]}. If nobody trained it, do: "
                f"fakeoff run --protocol pretrain --generators {row.generator}"
            )


__all__ = ["tell_below_chance", "tell_idle_attacks", "tell_off_centre", "tell_unfinished", "tell_untrained"]
