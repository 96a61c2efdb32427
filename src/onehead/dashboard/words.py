"""Figures in words: dollars, counts, shares, durations and times, as every page writes them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NOTHING = "–"


def usd(amount: float | None) -> str:
    """Dollars: cents from a dollar on, two significant digits below."""
    if amount is None or not math.isfinite(amount):
        return NOTHING
    sign = "−\u2060" if amount < 0 else ""  # joined, so that no line ends between sign and dollar
    size = abs(amount)
    if size == 0:
        return "$0"
    if size >= 0.995:
        return f"{sign}${size:,.2f}" if size < 10_000 else f"{sign}${size:,.0f}"
    digits = 1 - math.floor(math.log10(size))
    return f"{sign}${size:.{min(digits, 12)}f}"


def count(number: float | None) -> str:
    """A whole number with separators."""
    return NOTHING if number is None else f"{number:,.0f}"


def share(part: float | None, digits: int = 1) -> str:
    """A share as per cent."""
    if part is None or not math.isfinite(part):
        return NOTHING
    return _minus(f"{part:.{digits}%}")


def seconds(duration: float | None) -> str:
    """A duration with two or three digits: 0.31 ms, 42 ms, 1.2 s."""
    if duration is None or not math.isfinite(duration):
        return NOTHING
    if duration < 0.00995:
        return f"{duration * 1000:.2f} ms"
    if duration < 0.9995:
        return f"{duration * 1000:.0f} ms"
    return f"{duration:.1f} s" if duration < 100 else f"{duration:,.0f} s"


def quality(value: float | None, digits: int = 2) -> str:
    """A quality from 0 to 1."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return _minus(f"{value:+.{digits}f}")


def ends(low: float, high: float, words: type[str] | object = usd) -> str:
    """Both ends of an interval in the words of its figure."""
    assert callable(words)  # noqa: S101
    return f"{words(low)} to {words(high)}"


def moment(at: float) -> str:
    """A time in UTC to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _minus(text: str) -> str:
    """A figure with a real minus sign; what rounds to nothing has no sign."""
    return (
        text.replace("-", "−") if any(digit in text for digit in "123456789") else text.lstrip("+-")
    )
