"""What a configuration can hold of a plugin's layers and losses: plain options, and names that read as themselves."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

import prograd
from prograd.options import Plain, plain
from prograd.plugins import loading
from prograd.plugins.registry import assemble


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


def raising(error: BaseException) -> Any:
    def make() -> None:
        raise error

    return make


def made(value: Any) -> Plain:
    """The options of a class with an option `weight` that has this default."""
    field: Any = dataclasses.field(default_factory=value if callable(value) else lambda: value)
    return plain(dataclasses.make_dataclass("Made", [("cut", float, 1.5), ("weight", Any, field)], frozen=True))


@pytest.mark.parametrize(
    ("default", "held"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2.5, 2.5),
        ("mean", "mean"),
        ("", ""),
        ("$x {y}", "$x {y}"),
        (np.float64(2.5), 2.5),
        (np.int32(3), 3),
        (np.True_, True),
        (np.str_("mean"), "mean"),
        ((1, np.float32(0.5)), [1, 0.5]),
        ({"a": [1, None]}, {"a": [1, None]}),
    ],
)
def test_plain_defaults_are_held(default: Any, held: Any) -> None:
    found = made(default)
    assert found.known == {"cut": 1.5, "weight": held}
    assert type(found.known["weight"]) is type(held)
    assert not found.left_out


@pytest.mark.parametrize(
    ("default", "why"),
    [
        (np.ones(3), "got ndarray"),
        (lambda: len, "got builtin_function_or_method"),
        (Colour.RED, "got Colour"),
        (Level.HIGH, "got Level"),
        (1j, "got complex"),
        (np.complex128(1j), "got complex"),
        (b"x", "got bytes"),
        (Path("x"), "got PosixPath"),
        (set(), "got set"),
        ({1: 2}, "got dict"),
        ([1, np.ones(2)], "got ndarray"),
        (float("inf"), "got inf"),
        (np.float32("nan"), "got nan"),
        ("${depth}", "got '${depth}'"),
        ("???", "got '???'"),
        ("\ud800", r"got '\ud800'"),
        (raising(RuntimeError("no data")), "its default raises RuntimeError: no data"),
        (raising(SystemExit(3)), "its default raises SystemExit: 3"),
    ],
)
def test_other_defaults_are_left_out_with_the_reason(default: Any, why: str) -> None:
    found = made(default)
    assert found.known == {"cut": 1.5}
    assert found.left_out["weight"].endswith(why)


def test_an_interrupt_is_not_a_default() -> None:
    with pytest.raises(KeyboardInterrupt):
        made(raising(KeyboardInterrupt()))


def test_an_option_without_a_default_is_known_and_one_called_name_is_not() -> None:
    fields = [("weight", Any), ("name", str, "x"), ("hidden", int, dataclasses.field(default=1, init=False))]
    found = plain(dataclasses.make_dataclass("Made", fields))
    assert found.known == {"weight": dataclasses.MISSING}
    assert found.left_out == {"name": "in a configuration, name is the name of the layer, the loss or the penalty"}


def test_a_class_that_is_no_dataclass_has_no_options() -> None:
    assert plain(int) == Plain({}, {})


@pytest.mark.parametrize("word", sorted({*loading.WORDS, "Null", "TRUE", "NaN"} - {"_self_"}))
def test_each_word_reads_as_something_else(word: str) -> None:
    on_the_command_line = OverridesParser.create().parse_override(f"a={word}").value()
    assert not isinstance(on_the_command_line, str) or not isinstance(yaml.safe_load(word), str)


@pytest.mark.parametrize("name", ["null", "True", "inf", "NaN", "on", "_self_", "n" * 101])
@pytest.mark.parametrize(("hook", "cls"), [("layers", "Double"), ("losses", "Zero"), ("penalties", "Nothing")])
def test_a_name_that_reads_as_something_else_is_refused(plugins, name: str, hook: str, cls: str) -> None:
    body = f"@hookimpl\ndef prograd_{hook}():\n    return {{{name!r}: {cls}}}\n"
    found = assemble([plugins("one", body)])
    assert [plugin.error.partition(": expected a name that ")[0] for plugin in found.broken] == [f"prograd_{hook}"]
    assert found.broken[0].error.endswith(f"got {name!r}")


CLASSES = {"prograd_losses": "Zero", "prograd_penalties": "Nothing"}
RESERVED = [(hook, name) for hook, names in loading.RESERVED.items() for name in sorted(names)]


@pytest.mark.parametrize(("hook", "name"), RESERVED)
def test_no_name_has_a_meaning_in_prograd_run(plugins, hook: str, name: str) -> None:
    body = f"""
    @hookimpl
    def prograd_layers():
        return {{{name!r}: Double}}


    @hookimpl
    def {hook}():
        return {{{name!r}: {CLASSES[hook]}}}
    """
    both = assemble([plugins("both", body)])
    assert both.broken[0].error == f"{hook}: expected a name that prograd-run has no meaning for, got {name!r}"
    layer = assemble([plugins("alone", body.partition(f"@hookimpl\n    def {hook}")[0])])
    assert set(layer.layers) == {name}


def test_prograds_own_options_are_all_held() -> None:
    for names in prograd.registry().kinds.values():
        for cls in names.values():
            assert not plain(cls).left_out
