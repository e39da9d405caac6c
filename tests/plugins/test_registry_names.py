"""Entry points: their forms, the prograd version they require, and which plugin owns a name."""

from __future__ import annotations

import sys

import pytest

import prograd
from prograd.plugins.discovery import Source
from prograd.plugins.registry import assemble
from tests.helpers.plugins import GOOD, first_party


def test_what_one_plugin_half_brought_is_nowhere(plugins):
    both = """
    @hookimpl
    def prograd_layers():
        return {"double": Double}


    @hookimpl
    def prograd_losses():
        return {"zero": Zero, "huber": Zero}
    """
    found = assemble([*first_party(), plugins("both", both)])
    assert "double" not in found.layers
    assert "zero" not in found.losses
    assert found.losses["huber"].__module__.startswith("prograd_losses")
    assert "two plugins claim the loss name 'huber'" in found.broken[0].error


def test_of_two_third_parties_the_first_keeps_the_name(plugins):
    found = assemble([plugins("one", GOOD), plugins("two", GOOD, version="2.0")])
    assert found.layers["double"].__module__ == "one"
    assert [plugin.error for plugin in found.broken] == [
        "two plugins claim the layer name 'double': 'one' of dist-one 1.0, which keeps it, and 'two' of dist-two 2.0"
    ]


def test_a_layer_and_a_loss_may_share_a_name(plugins):
    loss = '@hookimpl\ndef prograd_losses():\n    return {"double": Zero}\n'
    found = assemble([plugins("one", GOOD), plugins("two", loss)])
    assert not found.broken
    assert issubclass(found.layers["double"], prograd.Layer)
    assert issubclass(found.losses["double"], prograd.Loss)


def test_two_distributions_may_share_an_entry_points_name(plugins):
    triple = GOOD.replace('"double"', '"triple"')
    one, two = plugins("one", GOOD), plugins("two", triple)
    sources = [Source("extra", "dist-one", "1.0", "one"), Source("extra", "dist-two", "1.0", "two")]
    found = assemble(sources)
    assert [(plugin.name, plugin.distribution) for plugin in found.plugins] == [
        ("extra", "dist-one"),
        ("extra", "dist-two"),
    ]
    assert set(found.layers) == {"double", "triple"}
    assert {one.name, two.name} == {"one", "two"}


def test_an_entry_point_may_lead_to_an_object(plugins):
    body = """
    class Extra:
        @hookimpl
        def prograd_layers(self):
            return {"double": Double}


    extra = Extra()
    """
    assert list(assemble([plugins("objects", body, value="objects:extra")]).layers) == ["double"]


def test_a_hook_may_have_another_name_in_the_plugin(plugins):
    body = '@hookimpl(specname="prograd_layers")\ndef mine():\n    return {"double": Double}\n'
    assert list(assemble([plugins("renamed", body)]).layers) == ["double"]


def test_a_plugin_may_bring_nothing_today(plugins):
    found = assemble([plugins("empty", "@hookimpl\ndef prograd_layers():\n    return {}\n")])
    assert not found.broken
    assert [plugin.name for plugin in found.plugins] == ["empty"]


def test_helpers_whose_names_begin_alike_are_no_hooks(plugins):
    body = GOOD + "\n\ndef prograd_version_in_use():\n    return prograd.__version__\n"
    assert not assemble([plugins("helper", body)]).broken


@pytest.mark.parametrize("value", ["", "not a module", "package:", "package:two words"])
def test_an_entry_point_that_leads_nowhere(value, plugins):
    found = assemble([plugins("wrong", GOOD, value=value)])
    assert found.broken[0].error == f"entry point 'wrong': expected a module, or module:object, got {value!r}"


@pytest.mark.parametrize(
    ("requires", "fits"),
    [
        ("prograd", True),
        ("prograd>=0.1", True),
        ("Prograd[experiments]>=0.1,<1; python_version > '3'", True),
        ("prograd>=99", False),
        ("prograd<0.1", False),
        ("prograd (>=99)", False),
        ("PROGRAD ~= 99.0", False),
        ("prograd>=99; extra == 'next'", True),
        ("prograd-extras>=99", True),
        ("prograd.extras>=99", True),
        ("numpy>=99", True),
    ],
)
def test_a_plugin_for_another_version_is_not_even_imported(requires, fits, plugins):
    found = assemble([plugins("other", GOOD, version="4.5", requires=("scipy", requires))])
    if fits:
        assert not found.broken
    else:
        assert "dist-other 4.5: expected prograd " in found.broken[0].error
        hint = "install a version of dist-other that fits"
        assert f"got prograd {prograd.__version__}; {hint}" in found.broken[0].error
        assert "other" not in sys.modules


def test_a_requirement_that_cannot_be_read_is_named(plugins):
    found = assemble([plugins("other", GOOD, requires=("prograd >>> 1",))])
    assert "InvalidRequirement" in found.broken[0].error
