"""Numbers as text."""

from __future__ import annotations

import math

from seedbed.evaluation.metrics import METRICS, Metric


def plain_number(value: float, digits: int = 3) -> str:
    """Return 0.00436, 12.3 or 12,300: a number of so many digits, with an exponent only if it is tiny."""
    shown = f"{value:.{digits}g}"
    return f"{float(shown):,.0f}" if "e+" in shown else shown


def signed(value: float, decimals: int | None = None) -> str:
    """Return a number with its sign: +1.8, -0.026, +12,300; with three digits, or so many decimals. 0 has no minus."""
    if decimals is not None:
        return f"{round(value, decimals) + 0.0:+,.{decimals}f}"
    return f"{'+' if value > 0 else ''}{plain_number(value)}"


def plus_minus(value: float, half: float, decimals: int | None = None) -> str:
    """Return a difference and half of its interval, as +1.8 ±0.6; with decimals as `signed` has them."""
    return f"{signed(value, decimals)} ±{signed(half, decimals).removeprefix('+')}"


def percent(probability: float) -> str:
    """Return a probability that never looks certain."""
    if probability > 0.995:
        return "above 99%"
    return "below 1%" if probability < 0.005 else f"{probability:.0%}"


def p_words(p: float) -> str:
    """Return a p-value."""
    return "below 0.001" if p < 0.001 else f"{p:.2g}"


def known_metric(name: str) -> Metric:
    """Return a score by its name; one that isn't in `METRICS` has units of its own."""
    return METRICS.get(name) or Metric(name=name, words=name, tasks=(), own_units=True)


def measure(metric: str | Metric, value: float, like: float | None = None) -> str:
    """Return a score: shares in percent, errors in the target's own units with four digits.

    Args:
        metric: a score, or its name; one that isn't known is in units of its own.
        like: the number that decides how many decimals there are, so that the ends of a range have as many.
    """
    if isinstance(metric, str):
        metric = known_metric(metric)
    if metric.percent:
        return f"{100 * value:.1f}%"
    size = abs(value if like is None else like)
    if not metric.own_units or size == 0:
        return f"{round(value, 3) + 0.0:.3f}"  # not -0.000
    decimals = 3 - math.floor(math.log10(size))
    return f"{value:,.{max(0, decimals)}f}" if decimals < 9 else f"{value:.3g}"
