"""What every test can rely on: no plugin setting of the caller's, fixed rates, and property tests without a clock."""

from __future__ import annotations

import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import matplotlib as mpl
import pytest

from tests.helpers.plugins import Plugins

mpl.use("Agg")  # pictures are drawn into files; a test needs no screen

# No deadline: how long an example takes on a busy machine is no property of the code.
# In CI, one commit gives one result.
hypothesis.settings.register_profile("prograd", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("prograd")

# Before the registry is made, which tests do while they are collected, and for the processes that they start: no plugin
# settings of the caller's, and rates with which "auto" chooses the same on every machine.
for name in ("PROGRAD_DISABLE_PLUGINS", "PROGRAD_STRICT_PLUGINS"):
    os.environ.pop(name, None)
os.environ["PROGRAD_RATES"] = str(Path(__file__).with_name("rates.json"))


@pytest.fixture
def peak() -> Callable[..., int]:
    """Measures the most bytes that a call holds at a time; a `warm` one was made once before, and caches are filled."""

    def measured(call: Callable[[], object], *, warm: bool = True) -> int:
        if warm:
            call()
        tracemalloc.start()
        try:
            call()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measured


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    """Writes plugin modules that can be imported while the test runs."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Plugins(tmp_path)
    yield made
    for name in made.names:
        sys.modules.pop(name, None)
