"""How figures and their intervals are told: rounded at one place, and honest at the edges."""

from __future__ import annotations

from collections.abc import Sequence


def tell_figure(value: float, *, digits: int = 3, percent: bool = False, signed: bool = False) -> str:
    """A figure, rounded; nothing is told as below 0 that rounds to 0.

    Args:
        value: It.
        digits: After the point.
        percent: Of a share: times 100, with its sign.
        signed: A difference: with a sign before it, except where it rounds to 0.

    Example:
        >>> tell_figure(-0.00001, digits=1, percent=True)
        '0.0%'
    """
    rounded = round(value * 100 if percent else value, digits)
    sign = "+" if signed and rounded else ""
    # Adding 0 turns the negative zero that rounding leaves into the other one.
    return f"{rounded + 0.0:{sign}.{digits}f}" + ("%" if percent else "")


def tell_range(interval: Sequence[float], *, digits: int = 3, percent: bool = False, signed: bool = False) -> str:
    """An interval alone: ``0.870 to 0.960``.

    Args:
        interval: Its ends.
        digits: See :func:`tell_figure`.
        percent: Likewise.
        signed: Likewise.
    """
    low, high = (tell_figure(end, digits=digits, percent=percent, signed=signed) for end in interval)
    return f"{low} to {high}"


def tell(
    value: float,
    interval: Sequence[float] | None,
    *,
    digits: int = 3,
    percent: bool = False,
    signed: bool = False,
) -> str:
    """A figure with its interval; at an edge only the side on which there is something to say.

    Args:
        value: It.
        interval: Its ends; None where there is none.
        digits: See :func:`tell_figure`.
        percent: Likewise.
        signed: Likewise: of a difference, which has no edges.

    Example:
        >>> tell(0.914, (0.87, 0.96))
        '0.914 (0.870 to 0.960)'
        >>> tell(1.0, (0.87, 1.0))
        '1.000, at least 0.870'
        >>> tell(0.0, (0.0, 0.123), percent=True, digits=0)
        '0%, at most 12%'
    """
    figure = tell_figure(value, digits=digits, percent=percent, signed=signed)
    if interval is None:
        return figure
    low, high = interval
    if not signed and low < high:
        if value >= 1:
            return f"{figure}, at least {tell_figure(low, digits=digits, percent=percent)}"
        if value <= 0:
            return f"{figure}, at most {tell_figure(high, digits=digits, percent=percent)}"
    return f"{figure} ({tell_range(interval, digits=digits, percent=percent, signed=signed)})"


__all__ = ["tell", "tell_figure", "tell_range"]
