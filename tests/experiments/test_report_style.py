"""The page can be read: contrast of text, marks and maps, and no small text."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from prograd_experiments.report import heatmap

CSS = (resources.files("prograd_experiments") / "templates" / "report.css").read_text("utf-8")


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_pictures_have_enough_contrast(scheme: int) -> None:
    """As WCAG 2.2 asks at level AA: 4.5 for text, 3 for lines and marks, the palest of them too."""
    block = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w]+): (#[0-9a-f]{6})", block))
    for text in ("ink", "soft", "accent", "alarm"):
        for ground in ("paper", "ground"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for number in range(7):
        own, paper = (
            [int(colours[name][place : place + 2], 16) for place in (1, 3, 5)] for name in (f"s{number}", "paper")
        )
        palest = "#" + "".join(f"{round(0.8 * a + 0.2 * b):02x}" for a, b in zip(own, paper, strict=True))
        assert contrast(palest, colours["paper"]) >= 3, number


def test_every_colour_of_a_map_carries_its_ink() -> None:
    (ink,) = re.findall(r"\.map td \{ color: (#\w+)", CSS)
    assert min(contrast(heatmap.colour(part / 20), ink) for part in range(21)) >= 4.5


def test_no_text_is_small() -> None:
    sizes = re.findall(r"font-size: (?:clamp\()?([\d.]+)(rem|px)", CSS)
    assert len(sizes) > 5
    assert min(float(size) * (16 if unit == "rem" else 1) for size, unit in sizes) >= 16
