# SPDX-License-Identifier: Apache-2.0
"""From values to positions and colours. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

# A linear axis wants about so many ticks.
_TICKS = 6
# The ramp goes from a dark blue to a light yellow in the colour space Oklab: lightness grows evenly, and hue changes
# only along the axis that people with red-green blindness see.
_DARK, _LIGHT = (0.28, -0.015, -0.105), (0.94, -0.02, 0.13)
RAMP_STEPS = 64


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` on positions from `start` to `end`; logarithmic if so."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        return self.start + (self.end - self.start) * self.share(value)

    def share(self, value: float) -> float:
        """Return where a value lies between low (0) and high (1), cut at both."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        # Halves, since the difference of two numbers may be too large for one.
        return 0.5 if high <= low else (at / 2 - low / 2) / (high / 2 - low / 2)

    @property
    def ticks(self) -> list[float]:
        """Return round values for an axis."""
        if self.is_log:
            return _decades(self.low, self.high)
        return _round_values(self.low, self.high)


def linear(values: list[float], start: float, end: float, *, zero: bool) -> Scale:
    """Return a linear scale around values (at least one), from zero if so, else with some room on both sides."""
    low, high = min(values), max(values)
    if zero:
        low, high = min(0.0, low), max(0.0, high)
    room = (high / 2 - low / 2) * 0.1 or abs(high) * 0.05 or 1.0
    top = high + room if high > 0 or not zero else 0.0
    bottom = low - room if low < 0 or not zero else 0.0
    most = 1.7e308
    return Scale(max(bottom, -most), min(top, most), start, end)


def logarithmic(values: list[float], start: float, end: float) -> Scale:
    """Return a logarithmic scale around positive values (at least one)."""
    low, high = min(values), max(values)
    if high / low < 1.5:
        low, high = low / 1.25, min(high * 1.25, 1.7e308)
    return Scale(low, high, start, end, is_log=True)


def powers_of_two(low: float, high: float) -> list[float]:
    """Return powers of four, or of two when there are few, between two positive numbers."""
    first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
    step = max(1, math.ceil((last - first) / 8))
    return [2.0**power for power in range(first, last + 1, step)]


def ramp() -> list[str]:
    """Return the colours of the ramp from low to high, as `#rrggbb`."""
    return [
        _hex(
            *(
                dark + (light - dark) * step / (RAMP_STEPS - 1)
                for dark, light in zip(_DARK, _LIGHT, strict=True)
            )
        )
        for step in range(RAMP_STEPS)
    ]


def _round_values(low: float, high: float) -> list[float]:
    span = high / _TICKS - low / _TICKS
    if not span > 0 or not math.isfinite(span):
        return [low]
    power = 10.0 ** math.floor(math.log10(span))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= span * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [count * step for count in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 4 else (1,)
    step = max(1, math.ceil((last - first) / 10))
    found = [
        factor * 10.0**power
        for power in range(max(first, -307), min(last, 307) + 1, step)
        for factor in factors
    ]
    return [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)] or [low]


def _hex(lightness: float, a: float, b: float) -> str:
    """Return a colour of Oklab as sRGB. The matrices are those of the definition of Oklab (B. Ottosson, 2020)."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    channels = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(255 * _gamma(min(max(value, 0.0), 1.0))):02x}" for value in channels)


def _gamma(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
