"""A broken plugin is reported clearly, and affects no other."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import prograd
from prograd.errors import PluginError
from prograd.plugins.loading import TRACEBACK_LINES
from prograd.plugins.registry import assemble
from tests.helpers.plugins import GOOD, first_party

# A body, and what the reason has to say.
MISTAKES = {
    "raises at import": ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "needs a missing module": (
        "import no_such_module_here",
        "ModuleNotFoundError: No module named 'no_such_module_here'",
    ),
    "is no Python": ("def (:", "SyntaxError: invalid syntax"),
    "leaves Python": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "raises a bare base exception": ("raise BaseException", "BaseException"),
    "recurses without end": ("def f():\n    f()\nf()", "RecursionError: maximum recursion depth exceeded"),
    "raises an error whose message fails": (
        """
    class Odd(Exception):
        def __str__(self):
            raise ValueError


    raise Odd
    """,
        "Odd: (its message can't be shown)",
    ),
    "raises in its hook": (
        "@hookimpl\ndef prograd_layers():\n    return {'double': Double, 'triple': Triple}",
        "NameError: name 'Triple' is not defined",
    ),
    "leaves Python in its hook": ("@hookimpl\ndef prograd_layers():\n    raise SystemExit", "SystemExit"),
    "raises half-way through what it returns": (
        """
    from collections.abc import Mapping


    class Lazy(Mapping):
        def __getitem__(self, name):
            return Double

        def __len__(self):
            return 2

        def __iter__(self):
            yield "first"
            raise OSError("the network is down")


    @hookimpl
    def prograd_layers():
        return Lazy()
    """,
        "OSError: the network is down",
    ),
    "is a generator": (
        "@hookimpl\ndef prograd_layers():\n    yield 'double', Double",
        "prograd_layers: expected a dict {name: class}, got generator",
    ),
    "returns nothing": (
        "@hookimpl\ndef prograd_layers():\n    pass",
        "prograd_layers: expected a dict {name: class}, got NoneType",
    ),
    "returns a list": (
        "@hookimpl\ndef prograd_losses():\n    return [Zero]",
        "prograd_losses: expected a dict {name: class}, got list",
    ),
    "gives an object for a class": (
        "@hookimpl\ndef prograd_layers():\n    return {'double': Double()}",
        "give the class, not an instance of it",
    ),
    "gives a loss for a layer": (
        "@hookimpl\ndef prograd_layers():\n    return {'zero': Zero}",
        "prograd_layers: expected a subclass of Layer for 'zero', got <class 'wrong.Zero'>",
    ),
    "gives a name that is no string": (
        "@hookimpl\ndef prograd_layers():\n    return {1: Double}",
        "prograd_layers: expected a name that a command line takes",
    ),
    "gives a name that no command line takes": (
        "@hookimpl\ndef prograd_layers():\n    return {'my layer': Double}",
        "digits, '_', '-' and '.', at most 100), got 'my layer'",
    ),
    "gives a class that lacks methods": (
        """
    class Half(prograd.Layer):
        def g(self, w, z):
            return z


    @hookimpl
    def prograd_layers():
        return {"half": Half}
    """,
        "prograd_layers: expected a class that defines jacobian, shapes for 'half', got <class 'wrong.Half'>",
    ),
    "misspells a hook": (
        "@hookimpl\ndef prograd_layer():\n    return {'double': Double}",
        "hook: expected a known name, got 'prograd_layer'; did you mean 'prograd_layers'",
    ),
    "means a hook that there is not": (
        "@hookimpl\ndef prograd_optimizers():\n    return {}",
        "hook: expected a known name, got 'prograd_optimizers'; did you mean 'prograd_penalties' or 'prograd_layers'",
    ),
    "forgets the mark": (
        "def prograd_layers():\n    return {'double': Double}",
        "prograd_layers: expected a hook named prograd_layers, got a function without @prograd.hookimpl",
    ),
    "forgets the mark and misspells": (
        "def prograd_loses():\n    return {}",
        "prograd_loses: expected a hook named prograd_losses, got a function without @prograd.hookimpl",
    ),
    "has no hook": (
        "",
        "prograd_layers or prograd_losses or prograd_penalties with @prograd.hookimpl above it, got none",
    ),
    "asks for an argument that no hook has": (
        "@hookimpl\ndef prograd_layers(registry):\n    return {}",
        "Argument(s) {'registry'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "claims a name of prograd's": (
        "@hookimpl\ndef prograd_layers():\n    return {'double': Double, 'relu': Double}",
        "two plugins claim the layer name 'relu': 'layers' of prograd",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_and_stays_its_own(mistake, plugins):
    body, expected = MISTAKES[mistake]
    wrong = plugins("wrong", body, version="2.3")
    good = plugins("good", GOOD)
    found = assemble([*first_party(), wrong, good])
    assert [(plugin.name, plugin.distribution, plugin.version) for plugin in found.broken] == [
        ("wrong", "dist-wrong", "2.3")
    ]
    assert expected in found.broken[0].error
    assert 0 < len(found.broken[0].traceback.splitlines()) <= TRACEBACK_LINES
    assert [plugin.name for plugin in found.plugins] == ["layers", "losses", "penalties", "good"]
    assert found.layers["double"].__module__ == "good"
    assert set(found.layers) == {*prograd.registry().layers, "double"}
    assert set(found.losses) == set(prograd.registry().losses)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_strict_raises_what_would_be_listed(mistake, plugins):
    body, expected = MISTAKES[mistake]
    sources = [*first_party(), plugins("wrong", body, version="2.3")]
    with pytest.raises(PluginError) as caught:
        assemble(sources, strict=True)
    assert "plugin 'wrong' of dist-wrong 2.3 is broken: " in str(caught.value)
    assert expected in str(caught.value)
    assert caught.value.__cause__ is not None


def test_the_traceback_ends_where_the_plugin_failed(plugins):
    found = assemble([plugins("wrong", "raise RuntimeError('no licence')")])
    assert 'wrong.py", line ' in found.broken[0].traceback
    assert found.broken[0].traceback.endswith("RuntimeError: no licence\n")


def test_an_interrupt_is_the_users_and_no_plugins(plugins):
    with pytest.raises(KeyboardInterrupt):
        assemble([plugins("wrong", "raise KeyboardInterrupt")])


def test_warnings_of_a_plugin_are_shown_where_warnings_are_errors(plugins):
    source = plugins("warns", "import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=1)\n" + GOOD)
    with pytest.warns(DeprecationWarning, match="old"):
        found = assemble([source])
    assert not found.broken


def test_a_plugin_does_not_change_how_others_see_warnings_and_rounding(plugins):
    source = plugins(
        "meddles", "import numpy, warnings\nnumpy.seterr(all='raise')\nwarnings.simplefilter('ignore')\n" + GOOD
    )
    before = np.geterr(), list(warnings.filters)
    assert not assemble([source]).broken
    assert (np.geterr(), list(warnings.filters)) == before


def test_what_a_plugin_prints_is_not_on_stdout(plugins, capsys):
    assert not assemble([plugins("prints", "print('welcome')\n" + GOOD)]).broken
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "welcome" in printed.err


def test_a_plugin_may_use_first_party_layers_while_it_loads(plugins):
    body = GOOD + "\n\nAFFINE = prograd.layer('affine', width=3)\n"
    assert not assemble([plugins("uses", body)]).broken
