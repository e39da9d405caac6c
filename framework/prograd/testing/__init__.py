"""The conformance kit: is a layer, a loss, a penalty or an operator right? For authors, and for the tests of prograd.

    report = prograd.testing.check_layer(Affine(width=3), n_in=4)
    print(report)

    @prograd.testing.parametrize_with_checks([Affine, (Affine(width=3), 4), SquaredError])
    def test_conformance(check):
        check()

No reference uses the code under test: blocks are compared with finite differences of `g`, gradients with those of
`value`, sums with plain loops.
"""

from __future__ import annotations

from prograd.errors import ConformanceError
from prograd.operators.ledger import Count
from prograd.testing.counted import counted
from prograd.testing.layer_checks import check_layer
from prograd.testing.loss_checks import check_loss
from prograd.testing.operator_checks import check_operator
from prograd.testing.parametrize import parametrize_with_checks
from prograd.testing.penalty_checks import check_penalty
from prograd.testing.report import Outcome, Report

__all__ = [
    "ConformanceError",
    "Count",
    "Outcome",
    "Report",
    "check_layer",
    "check_loss",
    "check_operator",
    "check_penalty",
    "counted",
    "parametrize_with_checks",
]
