"""The first-party losses: a plugin like any other, which uses only the public names of `prograd`."""

from __future__ import annotations

from prograd import Loss, hookimpl
from prograd_losses.hinge import Hinge
from prograd_losses.logistic import Logistic
from prograd_losses.regression import Huber, SquaredError
from prograd_losses.simplex import CrossEntropy, KlDivergence
from prograd_losses.softmax_cross_entropy import SoftmaxCrossEntropy

__all__ = [
    "CrossEntropy",
    "Hinge",
    "Huber",
    "KlDivergence",
    "Logistic",
    "SoftmaxCrossEntropy",
    "SquaredError",
]


@hookimpl
def prograd_losses() -> dict[str, type[Loss]]:
    """The first-party losses by name."""
    return {
        "squared_error": SquaredError,
        "softmax_cross_entropy": SoftmaxCrossEntropy,
        "cross_entropy": CrossEntropy,
        "kl_divergence": KlDivergence,
        "logistic": Logistic,
        "huber": Huber,
        "hinge": Hinge,
    }
