"""The state of the game, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from fakeoff.protocols.measures.state import DetectorState, GeneratorState, RoundState, VersionState
from fakeoff.protocols.record.versions import KINDS
from fakeoff.protocols.score.telling import tell, tell_figure

_SELDOM = 0.005  # what is drawn less often is told as 0%
_NAMED = 3  # of all specialists
_UNLIKELY = 2.0  # standard deviations of chance


def state_table(states: Sequence[RoundState]) -> Table:
    """The newest state: the newest version of each player, and whoever else would be played.

    Args:
        states: Of all rounds; none makes a table without rows.
    """
    table = Table(title_justify="left", title_style="bold", caption_justify="left", caption_style="", pad_edge=False)
    table.add_column("version", overflow="fold")
    for heading in ("played", "gives\naway", "ability or\ndifficulty", "misfit", "mean\nAUC", "copies\nonce"):
        table.add_column(heading, justify="right", no_wrap=True)
    if not states:
        return table
    state = states[-1]
    table.title = (
        f"State of the game after round {state.round}: its value is an AUC of {tell(state.value, state.value_ci)},\n"
        "which both sides can guarantee by drawing versions as often as 'played' says"
    )
    table.caption = _caption(state)
    for kind in KINDS[::-1]:
        drawn = {(one.player, one.round): one.weight for one in state.mixture(kind) if one.weight >= _SELDOM}
        newest = state.newest(kind)
        shown = [one for one in state.versions(kind) if (one.player, one.round) in newest | drawn.keys()]
        for one in sorted(shown, key=lambda one: (-_rating(one)[0], one.player, one.round)):
            weight = drawn.get((one.player, one.round), 0.0)
            table.add_row(one.label, *_figures(one, weight=weight))
        table.add_section()
    return table


def _figures(one: VersionState, *, weight: float) -> tuple[str | Text, ...]:
    rating, error = _rating(one)
    return (
        Text(tell_figure(weight, digits=0, percent=True), style="bold" if weight else "dim"),
        "-" if one.exploitability is None else tell_figure(one.exploitability),
        f"{tell_figure(rating, digits=1, signed=True)} ± {tell_figure(error, digits=1)}",
        Text(tell_figure(one.misfit, digits=1), style="yellow" if one.is_specialist else ""),
        tell_figure(one.mean_auc),
        _copies_once(one),
    )


def _copies_once(one: VersionState) -> str:
    """A detector's mean that counts copies of a generator once; a generator's weight in it."""
    if isinstance(one, DetectorState):
        return "-" if one.distinct_mean_auc is None else tell_figure(one.distinct_mean_auc)
    if isinstance(one, GeneratorState) and one.weight is not None:
        return f"weight {tell_figure(one.weight, digits=0, percent=True)}"
    return "-"


def _rating(one: VersionState) -> tuple[float, float]:
    """Ability or difficulty, and its standard error."""
    if isinstance(one, DetectorState):
        return one.ability, one.ability_se
    assert isinstance(one, GeneratorState)
    return one.difficulty, one.difficulty_se


def _caption(state: RoundState) -> str:
    """What else is to be said, in lines."""
    lines = []
    for kind in KINDS[::-1]:
        gives = state.exploitability(kind)
        lines.append(
            f"{kind.capitalize()}s drawn evenly give away {tell_figure(gives.average)} of all versions, "
            f"{tell_figure(gives.newest)} of the newest"
        )
    specialists = [one for kind in KINDS[::-1] for one in state.versions(kind) if one.is_specialist]
    if specialists:
        worst_first = sorted(specialists, key=lambda one: (-one.misfit, one.label))
        names = ", ".join(one.label for one in worst_first[:_NAMED])
        more = f" and {len(specialists) - _NAMED} more" if len(specialists) > _NAMED else ""
        lines.append(f"Specialists, whom one number does not describe: {names}{more}")
    for one in state.misfits[:1]:
        if abs(one.residual) > _UNLIKELY:
            lines.append(
                f"The match that abilities explain least: {one.detector}@{one.detector_round} against {one.generator}@"
                f"{one.generator_round}, an AUC of {tell_figure(one.observed)}, not {tell_figure(one.expected)}"
            )
    if state.left_out:
        names = ", ".join(f"{one.player}@{one.round} ({one.missing})" for one in state.left_out)
        lines.append(f"Left out of the game, for matches that were not played: {names}")
    return "\n".join(lines)


__all__ = ["state_table"]
