"""The page of the site that is made from the catalogue."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

import prograd
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
    page = site.page(ours, ["tanh"])
    overview, _, sections = page.partition("## Layers")
    for one in ours:
        assert f"[{one.name}](#{site.anchor(one)}), a {one.kind}\n" in overview
        assert f"({site.anchor(one)})=\n### {one.name}\n" in sections
    structures = [line.removeprefix("* - ") for line in overview.splitlines() if line.startswith("* - ")][1:]
    assert structures == sorted(structures)
    assert "Diagonal" in structures
    assert page.count("{image}") == 1
    assert ":class: catalogue" in overview


def test_a_section_tells_options_domain_and_costs(site, ours) -> None:
    entries = {one.name: one for one in ours}
    affine, huber = (site.section(entries[name], plot=False) for name in ("affine", "huber"))
    assert "* - `width`\n  - `int`\n  - `required`\n  - the number of outputs." in affine
    assert "At `Affine(width=3, bias=True)`, 5 inputs and 3 outputs:" in affine
    assert "* - `A[W]`\n  - `(3, 5)`\n  - `Kronecker`\n  - 3 × 15\n  - per sample\n  - 15\n  - 15" in affine
    assert "- labels `y`: any real numbers. They are not checked." in huber
    assert "It can be recorded; it comes from `prograd_losses.regression`" in huber


def test_what_tells_nothing_has_a_section_too(site, ours) -> None:
    bare = replace(ours[0], formula="", notes="", options=(), example=None, recordable="g needs a number")
    assert site.section(bare, plot=False).splitlines()[-1].startswith("It can't be recorded: g needs a number; ")
    assert "* - none" in site.overview([bare])


def test_only_code_of_a_docstring_is_markup(site) -> None:
    assert site.escaped("a_b < |c| `d_e` *f*") == r"a\_b \< \|c\| `d_e` \*f\*"


def test_each_activation_has_a_plot(site, ours, tmp_path) -> None:
    found = site.activations(ours)
    assert {"tanh", "elu", "sine"} <= set(found)
    assert not {"affine", "softmax"} & set(found)
    for file in ("one.svg", "other.svg"):
        site.plot(found["tanh"], tmp_path / file)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()
    assert (tmp_path / "one.svg").read_text().startswith("<?xml")
    assert isinstance(found["tanh"], prograd.Elementwise)
