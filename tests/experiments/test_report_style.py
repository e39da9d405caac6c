"""The page can be read: contrast of text, marks and maps, and no small text."""

from __future__ import annotations

import re
from importlib import resources
from itertools import combinations

import numpy as np
import pytest

from prograd_experiments.charts import palette

CSS = (resources.files("prograd_experiments") / "templates" / "report.css").read_text("utf-8")


# What eyes without one kind of cone see, in linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
VISIONS = {
    "any": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
# From linear RGB to Oklab: Ottosson (2020).
CONES = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
LAB = [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099],
       [0.0259040371, 0.7827717662, -0.808675766]]  # fmt: skip


def linear(colour: str) -> np.ndarray:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels])


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def oklab(colour: str, vision: object) -> np.ndarray:
    return np.array(LAB) @ np.cbrt(np.array(CONES) @ np.clip(np.array(vision) @ linear(colour), 0, 1))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_pictures_have_enough_contrast(scheme: str) -> None:
    """As WCAG 2.2 asks at level AA: 4.5 for text, 3 for lines and markers, the palest of them too."""
    page = {name: getattr(colour, scheme) for name, colour in palette.PAGE.items()}
    for text in ("ink", "soft", "accent", "alarm"):
        for ground in ("paper", "ground"):
            assert contrast(page[text], page[ground]) >= 4.5, (text, ground)
    for colour in (*palette.HUES, palette.FAILED):
        assert contrast(getattr(colour.faded(palette.FADED), scheme), page["paper"]) >= 3, colour
        assert contrast(getattr(colour.of_text, scheme), page["paper"]) >= 4.5, colour


@pytest.mark.parametrize("vision", list(VISIONS))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hues_can_be_told_apart_by_any_eye(scheme: str, vision: str) -> None:
    """The distance in Oklab; twice to three times what eyes notice in colours side by side, which is about 0.02."""
    seen = {colour: oklab(getattr(colour, scheme), VISIONS[vision]) for colour in (*palette.HUES, palette.FAILED)}
    for (one, a), (other, b) in combinations(seen.items(), 2):
        assert np.linalg.norm(a - b) >= 0.06, (one, other)


def test_every_colour_of_a_map_carries_its_ink() -> None:
    assert min(contrast(palette.heat(10 ** (part / 20), 1, 10), palette.ON_HEAT.light) for part in range(21)) >= 4.5


def test_no_text_is_small() -> None:
    sizes = re.findall(r"font-size: (?:clamp\()?([\d.]+)(rem|px)", CSS)
    assert len(sizes) > 5
    assert min(float(size) * (16 if unit == "rem" else 1) for size, unit in sizes) >= 16
