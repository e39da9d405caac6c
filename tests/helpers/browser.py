"""Headless Chromium, driven over its DevTools pipe with real key presses and a real pointer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Tab:
    """One page. `complaints` are errors and messages of its console, `requests` are the addresses that it loads."""

    def __init__(self, inlet: int, outlet: int) -> None:
        self._inlet, self._outlet, self._number, self._rest = inlet, outlet, 0, b""
        self._session: str | None = None
        self._events: list[str] = []
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **arguments: Any) -> dict[str, Any]:
        """A command of the DevTools protocol, and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._inlet, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._note(answer)

    def open(self, page: Path | str, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Shows a file or an address in a window of this size, and waits until it is there."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        for url in (
            "about:blank",
            page if isinstance(page, str) else page.as_uri(),
        ):  # a new fragment alone loads nothing
            self._events.clear()
            self.send("Page.navigate", url=url)
            while "Page.loadEventFired" not in self._events:
                self._note(self._receive())

    def wait(self, script: str, seconds: float = 60) -> None:
        """Wait until the expression is true in the page."""
        end = time.monotonic() + seconds
        while not self.ask(f"Boolean({script})"):
            assert time.monotonic() < end, f"not true within {seconds:g} s: {script}"
            time.sleep(0.02)

    def ask(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key."""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def point(self, selector: str, *, click: bool = False) -> None:
        """Moves the pointer onto the first element that matches, and clicks there if asked to."""
        where = f"document.querySelector({json.dumps(selector)})"
        self.ask(f"{where}.scrollIntoView({{block: 'center', inline: 'center'}})")
        place = self.ask(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({where}.getBoundingClientRect())"
        )
        x, y = place
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        if click:
            for kind in ("mousePressed", "mouseReleased"):
                self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._outlet, 1 << 16)
            assert more, "Chromium is gone"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        method, about = event.get("method", ""), event.get("params", {})
        self._events.append(method)
        if method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}:
            self.complaints.append(json.dumps(about))
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """Start Chromium with one page, and end it after the block."""
    assert PROGRAM is not None
    to_read, inlet = os.pipe()
    outlet, to_write = os.pipe()
    # Chromium takes its pipe from descriptors 3 and 4. As root it needs --no-sandbox; it is shown our own files alone.
    begin = "import os, sys; _, a, b, *c = sys.argv; os.dup2(int(a), 3); os.dup2(int(b), 4); os.execv(c[0], c)"
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={profile}")
    command = [sys.executable, "-S", "-c", begin, str(to_read), str(to_write), PROGRAM, *options]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, pass_fds=(to_read, to_write), stdin=quiet, stdout=quiet, stderr=quiet)
    os.close(to_read)
    os.close(to_write)
    try:
        yield Tab(inlet, outlet)
    finally:
        os.close(inlet)  # Chromium ends when its pipe does
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(outlet)
