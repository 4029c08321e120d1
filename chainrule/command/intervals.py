"""How far the interval around a predicted number reaches, for as many percent as can be promised.

The estimator measures it on what its networks say of rows that they did not learn from.
"""

from __future__ import annotations

from typing import Any

from chainrule.errors import ConfigurationError, InputError

COVERAGE = 90
"""Percent of rows that the interval in the report shall hold."""


def half_widths(regressor: Any) -> dict[str, float]:
    """Return the half-width for 1 to 99 percent; so few rows may promise less, or nothing."""
    widths = {}
    for percent in range(1, 100):
        try:
            width = regressor.interval_half_width(percent / 100)
        except (InputError, ConfigurationError):
            break
        widths[str(percent)] = float(width[0])
    return widths
