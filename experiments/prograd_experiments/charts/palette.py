"""The colours and markers of every picture: each colour for light paper and for dark paper.

Readers with any colour vision can tell the hues apart, and each stands out from its paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import prograd


@dataclass(frozen=True)
class Colour:
    """One colour as it looks on light paper, which the poster has too, and on dark paper."""

    light: str
    dark: str

    def faded(self, part: float) -> Colour:
        """Mixed with as much paper: 0 changes nothing."""
        return Colour(_mixed(self.light, PAPER.light, part), _mixed(self.dark, PAPER.dark, part))

    @property
    def of_text(self) -> Colour:
        """Mixed with ink, for letters need more contrast than lines do."""
        return Colour(_mixed(self.light, INK.light, INKED), _mixed(self.dark, INK.dark, INKED))


@dataclass(frozen=True)
class Marker:
    """The corners of a shape around (0, 0), in pixels; y points down."""

    corners: tuple[tuple[float, float], ...]


def _mixed(one: str, other: str, part: float) -> str:
    channels = ((int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a + part * (b - a)):02x}" for a, b in channels)


def _polygon(radii: tuple[float, ...], corners: int) -> Marker:
    """A polygon or a star whose first corner is on top; the radii take turns."""
    angles = [2 * math.pi * number / corners for number in range(corners)]
    points = [(radii[n % len(radii)] * math.sin(a), -radii[n % len(radii)] * math.cos(a)) for n, a in enumerate(angles)]
    return Marker(tuple((round(x, 1) + 0.0, round(y, 1) + 0.0) for x, y in points))


PAPER = Colour("#ffffff", "#171d24")
INK = Colour("#1d2733", "#e8ecf1")
SOFT = Colour("#55606c", "#a9b3be")
RULE = Colour("#d9dee4", "#36404b")
ON_HEAT = Colour("#10161d", "#10161d")
PAGE = {
    "paper": PAPER,
    "ink": INK,
    "soft": SOFT,
    "line": RULE,
    "ground": Colour("#f5f6f8", "#0e1318"),
    "accent": Colour("#00629b", "#6cbcf0"),
    "alarm": Colour("#b3261e", "#ff8f85"),
    "on-heat": ON_HEAT,
}
"""The page's colours, by the names that its style sheet uses."""

BLUE = Colour("#1040b0", "#5b8cff")
VERMILION = Colour("#d34d00", "#ff8a3c")
GREEN = Colour("#1a8f5a", "#2fd090")
PURPLE = Colour("#b64fd8", "#d998ee")
BROWN = Colour("#842a10", "#ffd24d")
TEAL = Colour("#007280", "#8fd8f5")
GREY = Colour("#4a4a4a", "#8c97a3")
HUES = (BLUE, VERMILION, GREEN, PURPLE, BROWN, TEAL, GREY)
FAILED = Colour("#14191f", "#ffffff")
FADED = 0.2
"""The most that a hue may be faded and still stand out from its paper."""

INKED = 0.3

CIRCLE = _polygon((5,), 20)
CROSS = Marker(
    ((-4, -6), (0, -2), (4, -6), (6, -4), (2, 0), (6, 4), (4, 6), (0, 2), (-4, 6), (-6, 4), (-2, 0), (-6, -4))
)
"""For what failed, and for nothing else."""
SQUARE = Marker(((-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)))
DIAMOND = Marker(((0, -6.5), (6, 0), (0, 6.5), (-6, 0)))
UP = Marker(((0, -6), (5.8, 4.5), (-5.8, 4.5)))
DOWN = Marker(((0, 6), (5.8, -4.5), (-5.8, -4.5)))
PLUS = Marker(
    ((-2, -6), (2, -6), (2, -2), (6, -2), (6, 2), (2, 2), (2, 6), (-2, 6), (-2, 2), (-6, 2), (-6, -2), (-2, -2))
)
STAR = _polygon((7, 3), 10)
MARKERS = (CIRCLE, SQUARE, DIAMOND, UP, DOWN, PLUS, STAR)

# The light half of ColorBrewer's YlGnBu, which readers with any colour vision can order; dark ink is legible on all.
HEAT = ("#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4")


def of_mode(mode: str) -> Colour:
    """The colour of a mode, the same in every picture."""
    return HUES[prograd.MODES.index(mode) % len(HUES)] if mode in prograd.MODES else GREY


def shade(colour: Colour, number: int, of: int) -> Colour:
    """The colour of one of several series that share a hue: the last is the strongest."""
    return colour.faded(FADED * (1 - (number + 1) / of))


def hue(number: int) -> Colour:
    """The colour of the series with this number, where there is nothing else to go by."""
    return HUES[number % len(HUES)]


def marker(number: int) -> Marker:
    """The marker of the series with this number."""
    return MARKERS[number % len(MARKERS)]


def heat(value: float, low: float, high: float) -> str:
    """The colour of a tile: its place between the ends on a log scale."""
    place = math.log(value / low) / math.log(high / low) * (len(HEAT) - 1) if high > low else 0.0
    index = min(max(int(place), 0), len(HEAT) - 2)
    return _mixed(HEAT[index], HEAT[index + 1], place - index)


def css() -> str:
    """The page's colours as properties of its root, for either scheme."""
    light, dark = (
        " ".join(f"--{name}: {getattr(colour, scheme)};" for name, colour in PAGE.items())
        for scheme in ("light", "dark")
    )
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
