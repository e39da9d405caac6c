"""The three gaps that are shown side by side: measured, in predicted time, and in multiply-adds."""

from __future__ import annotations

from dataclasses import dataclass

from prograd_experiments.charts.palette import CIRCLE, DIAMOND, FADED, GREY, SQUARE, Colour, Marker, of_mode


@dataclass(frozen=True)
class Gap:
    """A gap: its column, what both sides of it are (`MODE_side` is the column of each), and how it is drawn."""

    column: str
    side: str
    name: str
    title: str
    small: str
    colour: Colour
    marker: Marker
    spread: str | None = None
    """The column of its interquartile range; only what is measured has one."""


GAPS = (
    Gap(
        "gap",
        "s",
        "measured",
        "Measured gap: time forward / reverse",
        "Small print: both times.",
        of_mode("forward"),
        CIRCLE,
        "gap_iqr",
    ),
    Gap(
        "predicted_time_gap",
        "predicted_s",
        "predicted time",
        "Gap in predicted time: forward / reverse",
        "Small print: both times.",
        of_mode("forward").faded(FADED),
        DIAMOND,
    ),
    Gap(
        "multiply_adds_gap",
        "multiply_adds",
        "multiply-adds",
        "Gap in multiply-adds: forward / reverse",
        "Small print: both counts.",
        GREY,
        SQUARE,
    ),
)
