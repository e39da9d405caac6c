"""The gallery of wrong layers, and the right one that they start from."""

from __future__ import annotations

from prograd import Layer
from prograd.operators import Dense, Identity, Kronecker
from prograd.testing import check_layer
from tests.helpers.gallery import Gallery

GALLERY = Gallery(check_layer, n_in=3)
wrong = GALLERY.wrong


class Right(Layer):
    """g(W, b; z) = W z + b, correct; each wrong layer changes one thing about it."""

    def shapes(self, n_in):
        return 4, {"W": (4, n_in), "b": (4,)}

    def g(self, w, z):
        return z @ w.W.T + w.b

    def jacobian(self, w, z, z_next):
        return {"W": Kronecker(4, z), "b": Identity(4)}, Dense(w.W)
