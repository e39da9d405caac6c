"""Plugins that a test writes as modules, with the entry points that lead to them."""

from __future__ import annotations

from textwrap import dedent

from prograd.plugins import discovery
from prograd.plugins.discovery import Source

HEAD = """
from dataclasses import dataclass

import prograd
from prograd import Elementwise, Loss, Penalty, hookimpl


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


@dataclass(frozen=True)
class Nothing(Penalty):
    def value(self, w):
        return 0 * w.sum()

    def gradient(self, w):
        return 0 * w
"""


GOOD = """
@hookimpl
def prograd_layers():
    return {"double": Double}
"""


class Plugins:
    """Writes plugin modules into a folder that is on `sys.path`."""

    def __init__(self, folder):
        self.folder = folder
        self.names = set()

    def __call__(self, name, body, *, version="1.0", **source):
        self.names.add(name)
        (self.folder / f"{name}.py").write_text(HEAD + dedent(body))
        return Source(name, f"dist-{name}", version, source.pop("value", name), **source)


def first_party():
    return [source for source in discovery.find() if source.distribution == "prograd"]
