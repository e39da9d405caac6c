"""Settings and fixtures of all tests: no plugin settings of the caller, fixed rates, no deadlines for hypothesis."""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import matplotlib as mpl
import pytest

from prograd.plugins.registry import DISABLE, STRICT
from tests.helpers.distributions import others
from tests.helpers.plugins import Plugins
from tests.helpers.started import Watch

mpl.use("Agg")  # pictures are drawn into files; a test needs no screen

# No deadline: how long an example takes on a busy machine is no property of the code.
# In CI, one commit gives one result.
hypothesis.settings.register_profile("prograd", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("prograd")

# Tests already ask for the registry while they are collected, and the processes that they start inherit these settings:
# prograd's own plugins alone, whatever else is installed, and rates with which "auto" chooses the same everywhere.
os.environ[DISABLE] = ",".join(others())
os.environ.pop(STRICT, None)
os.environ["PROGRAD_RATES"] = str(Path(__file__).with_name("rates.json"))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Watch())


@pytest.fixture
def small_heap() -> Iterator[None]:
    """Garbage collections skip what was there before the test; pytest's own objects would make each take 40 ms."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program is found: a job asks no git for its revision, and identifies its code by prograd's version."""
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def peak() -> Callable[..., int]:
    """Measures the most bytes that a call holds at once, after a first call that fills caches if `warm`."""

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
    """Writes plugin modules that the test can import."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Plugins(tmp_path)
    yield made
    for name in made.names:
        sys.modules.pop(name, None)
