"""Which tests start processes: those with the marker `starts_processes`, and no others."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator
from typing import Any, Final

import pytest

MARKER: Final = "starts_processes"
STARTED: Final = "prograd.tests.started"
"""The audit event that a helper raises when it starts a process in a way that Python does not report."""

EVENTS: Final = {
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    STARTED,
}


class Watch:
    """A pytest plugin that fails a test which starts a process without the marker."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        sys.addaudithook(self.heard)

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note a process that starts; Python calls this for every audit event."""
        # Popen reports its program before it looks for it: without one, as under `no_git`, nothing starts.
        if event in EVENTS and (event != "subprocess.Popen" or shutil.which(arguments[0])):
            self.seen.append(f"{event}{arguments[:2]}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None]:
        self.seen.clear()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        result = yield
        if self.seen and item.get_closest_marker(MARKER) is None:
            started = "\n".join(self.seen)
            pytest.fail(f"this test starts a process: mark it with `pytest.mark.{MARKER}`\n{started}", pytrace=False)
        return result
