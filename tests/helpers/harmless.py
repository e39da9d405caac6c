"""The source of a layer that does something else while it is evaluated, for plugins that tests write."""

from __future__ import annotations

HARMLESS = '''
import numpy as np
from prograd import Elementwise, hookimpl

class Harmless(Elementwise):
    """phi(z) = z."""
    def phi(self, z):
        self.act()
        return z
    def dphi(self, z, z_next):
        return np.ones_like(z)
    def act(self):
        pass
'''
"""`act` is what a subclass does meanwhile."""
