"""Numbers as texts."""

import math

__all__ = ["format_difference", "format_mean", "format_p_value"]


def format_mean(mean: float, deviation: float | None) -> str:
    """Format a mean in percent, with its standard deviation if there is any."""
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"


def format_difference(difference: float, low: float, high: float) -> str:
    """Format a difference of parts of one as percentage points, in bold type if its interval is without zero.

    :param difference: The difference.
    :param low: The lower bound of its interval, or NaN if there is none.
    :param high: The upper bound.
    :returns: The text.
    """
    # without negative zeros
    values = [round(100 * x, 2) + 0.0 for x in (difference, low, high)]
    if math.isnan(low):
        return f"{values[0]:+.2f}"
    text = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*values)
    return f"**{text}**" if low > 0 or high < 0 else text


def format_p_value(p_value: float) -> str:
    """Format a p-value, if there is any; the smallest ones depend on nothing but the number of resamples."""
    if math.isnan(p_value):
        return "-"
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
