"""The reference has every public name, and the examples in its docstrings give what they show."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy

import prograd
import prograd.testing
from tests.helpers.documents import ROOT

if TYPE_CHECKING:
    from types import ModuleType

PAGES = "\n".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))
LISTED = set(re.findall(r"^\.\. (?:auto|py:)\w+:: ([\w.]+)", PAGES, re.MULTILINE))
WHOLE = set(re.findall(r"^\.\. automodule:: ([\w.]+)\n   :members:$", PAGES, re.MULTILINE))
"""Modules of which every public name is in the reference."""

KNOWN = {"prograd": prograd, "np": np, "scipy": scipy, "dataclass": dataclass}
"""What the examples take for granted, as `docs/reference/index.md` says."""


MODULES = ["prograd", "prograd.bracketing", "prograd.operators", "prograd.tape", "prograd.testing"]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(module: str) -> None:
    elsewhere = {f"prograd.testing.{name}" for name in vars(prograd.errors)}
    public = {f"{module}.{name}" for name in importlib.import_module(module).__all__}
    assert public - LISTED - elsewhere == set()


def test_modules_without_a_list_of_names_are_in_the_reference_whole() -> None:
    assert {"prograd.errors", "prograd.options", "prograd.rows"} <= WHOLE


def examples() -> list[Any]:
    """Each docstring with examples, of what is listed and of its members."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    listed: dict[str, Any] = {name: pkgutil.resolve_name(name) for name in LISTED}
    for name in WHOLE:
        module = listed[name]
        listed.update({f"{name}.{key}": value for key, value in vars(module).items() if defined(value, module)})
    found = {}
    for name, value in listed.items():
        if inspect.isclass(value) or inspect.isroutine(value):
            for one in finder.find(value, name, module=False, globs=dict(KNOWN)):
                if one.examples:
                    found[one.docstring] = pytest.param(one, id=one.name)
    return sorted(found.values(), key=lambda one: one.id)


def defined(value: Any, module: ModuleType) -> bool:
    return getattr(value, "__module__", "") == module.__name__ and not value.__name__.startswith("_")


@pytest.mark.parametrize("example", examples())
def test_examples(example: doctest.DocTest) -> None:
    runner = doctest.DebugRunner(optionflags=doctest.REPORT_NDIFF)
    try:
        runner.run(example)
    except doctest.DocTestFailure as failure:
        pytest.fail(f"{example.name}: {failure.example.source}expected {failure.example.want}got {failure.got}")
    except doctest.UnexpectedException as failure:
        raise failure.exc_info[1] from None
