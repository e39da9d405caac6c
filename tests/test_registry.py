"""One plugin's mistake is told clearly and stays its own: from an entry point to the registry."""

from __future__ import annotations

import pickle
import sys
import warnings
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

import prograd
from prograd import discovery, hookspecs
from prograd.discovery import Source
from prograd.errors import OptionError, PluginError, UnknownNameError
from prograd.plugin import HOOKS, TRACEBACK_LINES
from prograd.registry import assemble

HEAD = """
import prograd
from prograd import Elementwise, Loss, hookimpl


class Double(Elementwise):
    def phi(self, z):
        return 2 * z

    def dphi(self, z, z_next):
        return 0 * z + 2


class Zero(Loss):
    def value(self, z, y):
        return 0 * z[:, 0]

    def gradient(self, z, y):
        return 0 * z
"""

GOOD = """
@hookimpl
def prograd_layers():
    return {"double": Double}
"""


class Plugins:
    """Plugin modules in a folder of the path."""

    def __init__(self, folder):
        self.folder = folder
        self.names = set()

    def __call__(self, name, body, *, version="1.0", **source):
        self.names.add(name)
        (self.folder / f"{name}.py").write_text(HEAD + dedent(body))
        return Source(name, source.pop("value", name), f"dist-{name}", version, **source)


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Plugins(tmp_path)
    yield made
    for name in made.names:
        sys.modules.pop(name, None)


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
        "prograd_layers must return a dict {name: class}, got generator",
    ),
    "returns nothing": (
        "@hookimpl\ndef prograd_layers():\n    pass",
        "prograd_layers must return a dict {name: class}, got NoneType",
    ),
    "returns a list": (
        "@hookimpl\ndef prograd_losses():\n    return [Zero]",
        "prograd_losses must return a dict {name: class}, got list",
    ),
    "gives an object for a class": (
        "@hookimpl\ndef prograd_layers():\n    return {'double': Double()}",
        "give the class, not an object of it",
    ),
    "gives a loss for a layer": (
        "@hookimpl\ndef prograd_layers():\n    return {'zero': Zero}",
        "prograd_layers: expected a subclass of Layer for 'zero', got <class 'wrong.Zero'>",
    ),
    "gives a name that is no string": (
        "@hookimpl\ndef prograd_layers():\n    return {1: Double}",
        "so that it can be given on a command line; got 1",
    ),
    "gives a name that no command line takes": (
        "@hookimpl\ndef prograd_layers():\n    return {'my layer': Double}",
        "so that it can be given on a command line; got 'my layer'",
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
        "prograd_layers: Half, registered as 'half', does not define jacobian, shapes",
    ),
    "misspells a hook": (
        "@hookimpl\ndef prograd_layer():\n    return {'double': Double}",
        "there is no hook named prograd_layer; did you mean prograd_layers?",
    ),
    "means a hook that there is not": (
        "@hookimpl\ndef prograd_optimizers():\n    return {}",
        "there is no hook named prograd_optimizers; did you mean prograd_layers or prograd_losses?",
    ),
    "forgets the mark": (
        "def prograd_layers():\n    return {'double': Double}",
        "the function prograd_layers is not marked as a hook: put @prograd.hookimpl above it",
    ),
    "forgets the mark and misspells": (
        "def prograd_loses():\n    return {}",
        "prograd_loses is not marked as a hook: put @prograd.hookimpl above it, and name it prograd_losses",
    ),
    "has no hook": (
        "",
        "it has no hook: expected a function prograd_layers or prograd_losses with @prograd.hookimpl above it",
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
    found = assemble([*prograd_s_own(), wrong, good])
    assert [(plugin.name, plugin.distribution, plugin.version) for plugin in found.broken] == [
        ("wrong", "dist-wrong", "2.3")
    ]
    assert expected in found.broken[0].error
    assert 0 < len(found.broken[0].traceback.splitlines()) <= TRACEBACK_LINES
    assert [plugin.name for plugin in found.plugins] == ["layers", "losses", "good"]
    assert found.layers["double"].__module__ == "good"
    assert set(found.layers) == {*prograd.registry().layers, "double"}
    assert set(found.losses) == set(prograd.registry().losses)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_strict_raises_what_would_be_listed(mistake, plugins):
    body, expected = MISTAKES[mistake]
    sources = [*prograd_s_own(), plugins("wrong", body, version="2.3")]
    with pytest.raises(PluginError) as caught:
        assemble(sources, strict=True)
    assert "plugin 'wrong' of dist-wrong 2.3 is broken: " in str(caught.value)
    assert expected in str(caught.value)
    assert caught.value.__cause__ is not None


def prograd_s_own():
    return [source for source in discovery.find() if source.distribution == "prograd"]


def test_the_traceback_ends_where_the_plugin_failed(plugins):
    found = assemble([plugins("wrong", "raise RuntimeError('no licence')")])
    assert 'wrong.py", line ' in found.broken[0].traceback
    assert found.broken[0].traceback.endswith("RuntimeError: no licence\n")


def test_an_interrupt_is_the_users_and_no_plugins(plugins):
    with pytest.raises(KeyboardInterrupt):
        assemble([plugins("wrong", "raise KeyboardInterrupt")])


def test_what_one_plugin_half_brought_is_nowhere(plugins):
    both = """
    @hookimpl
    def prograd_layers():
        return {"double": Double}


    @hookimpl
    def prograd_losses():
        return {"zero": Zero, "huber": Zero}
    """
    found = assemble([*prograd_s_own(), plugins("both", both)])
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
    sources = [Source("extra", "one", "dist-one", "1.0"), Source("extra", "two", "dist-two", "1.0")]
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
    assert found.broken[0].error == f"its entry point is {value!r}; expected a module, or module:object"


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
        assert "dist-other 4.5 was written for prograd " in found.broken[0].error
        assert (
            f"this is prograd {prograd.__version__}; install a version of dist-other that fits" in found.broken[0].error
        )
        assert "other" not in sys.modules


def test_a_requirement_that_cannot_be_read_is_named(plugins):
    found = assemble([plugins("other", GOOD, requires=("prograd >>> 1",))])
    assert "InvalidRequirement" in found.broken[0].error


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


def test_a_plugin_may_use_prograd_s_own_layers_while_it_loads(plugins):
    body = GOOD + "\n\nAFFINE = prograd.layer('affine', width=3)\n"
    assert not assemble([plugins("uses", body)]).broken


def test_disabling_leaves_out_distributions_and_entry_points():
    sources = [
        Source("layers", "a", "prograd", "1"),
        Source("extra", "b", "My_Plugin", "1"),
        Source("extra", "c", "other", "1"),
        Source("more", "d", "other", "1"),
    ]

    def left(disabled):
        return [source.value for source in discovery.enabled(sources, disabled)]

    assert left("") == left(" , ") == left("no-such") == ["a", "b", "c", "d"]
    assert left("my-plugin") == left("MY.plugin") == left("My_Plugin") == ["a", "c", "d"]
    assert left("extra") == ["a", "d"]
    assert left("other, layers") == ["b"]
    assert left("Extra") == ["a", "b", "c", "d"]  # entry points are told apart by case, distributions are not


def test_a_name_that_a_disabled_plugin_had_is_free(plugins):
    sources = discovery.enabled([*prograd_s_own(), plugins("mine", GOOD.replace('"double"', '"relu"'))], "layers")
    found = assemble(sources)
    assert found.layers["relu"].__module__ == "mine"
    assert not found.broken


def test_an_unknown_name_says_whose_names_may_be_missing(plugins, monkeypatch):
    found = assemble([plugins("wrong", "raise RuntimeError"), plugins("waves", "raise RuntimeError", version="2.0")])
    monkeypatch.setattr(sys.modules["prograd.registry"], "registry", lambda: found)
    note = "(note: plugins 'wrong' of dist-wrong 1.0, 'waves' of dist-waves 2.0 are broken, see `prograd plugins`)"
    with pytest.raises(UnknownNameError) as caught:
        prograd.layer("wave")
    assert str(caught.value).endswith(note)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(UnknownNameError) as caught:
        prograd.Network.from_config([{"name": "wave"}], n_in=3)
    assert str(caught.value).endswith(note)


def test_unknown_names_offer_the_closest():
    with pytest.raises(UnknownNameError, match=r"there is no layer named 'afine'; did you mean 'affine'.*\?$"):
        prograd.layer("afine")
    with pytest.raises(UnknownNameError, match=r"there is no loss named 'huuber'; did you mean 'huber'\?$"):
        prograd.loss("huuber")


def test_unknown_options_list_those_there_are():
    with pytest.raises(
        OptionError, match=r"layer 'affine': .*'widht'; accepted options: width: int, bias: bool = True"
    ):
        prograd.layer("affine", width=3, widht=4)
    with pytest.raises(OptionError, match=r"layer 'affine': missing a required argument: 'width'"):
        prograd.layer("affine")
    with pytest.raises(OptionError, match=r"loss 'hinge': .*; accepted options: none"):
        prograd.loss("hinge", margin=2)


def test_the_registry_is_made_once():
    assert prograd.registry() is prograd.registry()


def test_hooks_and_their_specifications_are_the_same():
    specified = {name for name in vars(hookspecs) if name.startswith("prograd_")}
    assert specified == set(HOOKS)


def test_every_hook_is_in_the_guide():
    guide = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text()
    assert [hook for hook in HOOKS if f"`{hook}()`" not in guide] == []
