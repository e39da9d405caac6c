"""The page of the site that is made from the catalogue."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from prograd import catalogue
from prograd.plugins.registry import assemble
from tests.helpers.documents import ROOT
from tests.helpers.plugins import first_party


@pytest.fixture(scope="module")
def site():
    spec = importlib.util.spec_from_file_location("site_catalogue", ROOT / "docs" / "_site" / "catalogue.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ours():
    return catalogue.entries(assemble(first_party()))


def test_the_overview_is_sorted_by_structure_and_leads_to_each_section(site, ours) -> None:
    plots = site.plots(ours)
    page = site.page(ours, {"tanh": plots["tanh"], "hinge": plots["hinge"]})
    overview, _, sections = page.partition("## Layers")
    for one in ours:
        assert f"[{one.name}](#{site.anchor(one)}), a {one.kind}\n" in overview
        assert f"({site.anchor(one)})=\n### {one.name}\n" in sections
    structures = [line.removeprefix("* - ") for line in overview.splitlines() if line.startswith("* - ")][1:]
    assert structures == sorted(structures)
    assert "Diagonal" in structures
    assert page.count("{figure}") == 2
    assert ":class: catalogue" in overview


def test_a_section_tells_options_domain_and_costs(site, ours) -> None:
    entries = {one.name: one for one in ours}
    affine, huber = (site.section(entries[name]) for name in ("affine", "huber"))
    assert "* - `width`\n  - `int`\n  - `required`\n  - the number of outputs." in affine
    assert "At `Affine(width=3, bias=True)`, 5 inputs and 3 outputs:" in affine
    assert "* - `A[W]`\n  - `(3, 5)`\n  - `Kronecker`\n  - 3 × 15\n  - per sample\n  - 15\n  - 15" in affine
    assert "- labels `y`: any real numbers. They are not checked." in huber
    assert "It can be recorded; it comes from `prograd_losses.regression`" in huber


def test_what_tells_nothing_has_a_section_too(site, ours) -> None:
    bare = replace(ours[0], formula="", notes="", options=(), example=None, recordable="g needs a number")
    assert site.section(bare).splitlines()[-1].startswith("It can't be recorded: g needs a number; ")
    assert "* - none" in site.overview([bare])


def test_only_code_of_a_docstring_is_markup(site) -> None:
    assert site.escaped("a_b < |c| `d_e` *f*") == r"a\_b \< \|c\| `d_e` \*f\*"


def test_activations_and_losses_have_plots(site, ours, tmp_path) -> None:
    found = site.plots(ours)
    assert {"tanh", "elu", "sine", *(one.name for one in ours if one.kind == "loss")} <= set(found)
    assert not {"affine", "softmax"} & set(found)
    for plot in found.values():
        value, slope = plot.curves.values()
        assert np.nanmax(np.abs(value)) <= 10
        measured = (value[2:] - value[:-2]) / (plot.t[2:] - plot.t[:-2])
        known = np.isfinite(measured) & np.isfinite(slope[1:-1])
        assert np.median(np.abs(measured - slope[1:-1])[known]) < 1e-3
    for file in ("one.svg", "other.svg"):
        (tmp_path / file).mkdir()
        site.draw(found["tanh"], tmp_path / file / "tanh.svg")
    one, other = ((tmp_path / file / "tanh.svg").read_bytes() for file in ("one.svg", "other.svg"))
    assert one == other
    assert one.startswith(b"<?xml")
    assert found["hinge"].caption == "As z₁ varies, at z = (z₁, 1.1, -0.4) and y = (1, 0, 0)."
