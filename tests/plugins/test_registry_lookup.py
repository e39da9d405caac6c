"""Lookups in the registry: names, options, disabled plugins and hooks."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import prograd
from prograd.errors import OptionError, UnknownNameError
from prograd.plugins import discovery, hookspecs
from prograd.plugins.discovery import Source
from prograd.plugins.loading import HOOKS
from prograd.plugins.registry import assemble
from tests.helpers.plugins import GOOD, first_party


def test_disabling_leaves_out_distributions_and_entry_points():
    sources = [
        Source("layers", "prograd", "1", "a"),
        Source("extra", "My_Plugin", "1", "b"),
        Source("extra", "other", "1", "c"),
        Source("more", "other", "1", "d"),
    ]

    def left(disabled):
        return [source.value for source in discovery.enabled(sources, disabled)]

    assert left("") == left(" , ") == left("no-such") == ["a", "b", "c", "d"]
    assert left("my-plugin") == left("MY.plugin") == left("My_Plugin") == ["a", "c", "d"]
    assert left("extra") == ["a", "d"]
    assert left("other, layers") == ["b"]
    assert left("Extra") == ["a", "b", "c", "d"]  # entry points are told apart by case, distributions are not


def test_a_name_that_a_disabled_plugin_had_is_free(plugins):
    sources = discovery.enabled([*first_party(), plugins("mine", GOOD.replace('"double"', '"relu"'))], "layers")
    found = assemble(sources)
    assert found.layers["relu"].__module__ == "mine"
    assert not found.broken


def test_an_unknown_name_says_whose_names_may_be_missing(plugins, monkeypatch):
    found = assemble([plugins("wrong", "raise RuntimeError"), plugins("waves", "raise RuntimeError", version="2.0")])
    monkeypatch.setattr("prograd.plugins.registry.registry", lambda: found)
    note = "(note: plugins 'wrong' of dist-wrong 1.0, 'waves' of dist-waves 2.0 are broken, see `prograd plugins`)"
    with pytest.raises(UnknownNameError) as caught:
        prograd.layer("wave")
    assert str(caught.value).endswith(note)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    with pytest.raises(UnknownNameError) as caught:
        prograd.Network.from_config([{"name": "wave"}], n_in=3)
    assert str(caught.value).endswith(note)


def test_unknown_names_offer_the_closest():
    with pytest.raises(
        UnknownNameError, match=r"layer: expected a known name, got 'afine'; did you mean 'affine'.*\?$"
    ):
        prograd.layer("afine")
    with pytest.raises(UnknownNameError, match=r"loss: expected a known name, got 'huuber'; did you mean 'huber'\?$"):
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
    guide = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
    assert [hook for hook in HOOKS if f"`{hook}()`" not in guide] == []


def test_a_registry_prints_as_a_person_reads_it(plugins):
    found = assemble([*first_party(), plugins("waves", GOOD), plugins("gone", "raise ImportError('no numbers')")])
    lines = repr(found).splitlines()
    assert lines[0].startswith("layers: affine, avg_pool2d, ")
    assert "losses: cross_entropy, hinge" in repr(found)
    ours = ", ".join(f"'{name}' of prograd 0.1.0" for name in ("layers", "losses", "penalties"))
    assert lines[-2:] == [
        f"plugins: {ours}, 'waves' of dist-waves 1.0",
        "broken: 'gone' of dist-gone 1.0: ImportError: no numbers",
    ]
    assert max(map(len, lines)) <= 120
    assert repr(assemble([])) == "layers: none\nlosses: none\npenalties: none\nplugins: none"
