"""Wrong layers whose blocks are operators with a wrong method."""

from __future__ import annotations

import numpy as np

from prograd.operators import Kronecker
from tests.helpers import operators
from tests.helpers.operators import Own
from tests.helpers.wrong_layers.base import Right, wrong


class GivesB(Right):
    """`B` is an operator that the plugin author wrote."""

    operator = Own

    def jacobian(self, w, z, z_next):
        A, _ = super().jacobian(w, z, z_next)
        return A, self.operator(w.W)


@wrong("vjp", says="B.*by vjp .* a constant factor of 2")
class WrongVjpInB(GivesB):
    operator = operators.VjpIsDouble


@wrong("jacobian_B", says="B.*by jvp .* a constant factor of 2")
class WrongJvpInB(GivesB):
    """Only jvp is reported."""

    operator = operators.JvpIsDouble


@wrong("linear", says=r"B: jvp\(2u − 3v\)")
class NoLinearMapInB(GivesB):
    operator = operators.RoundsItsDirection


@wrong("dense", says=r"B\[\d, \d\] .* by dense\(\) .* a constant factor of 2")
class WrongDenseInB(GivesB):
    operator = operators.DenseIsDouble


@wrong("columns", says=r"B: columns\(1, 3\)")
class WrongColumnsInB(GivesB):
    operator = operators.ColumnsFromTheFirst


@wrong("into", says="B: jvp_into against jvp")
class WrongIntoInB(GivesB):
    operator = operators.AddsWhenWritingInto


@wrong("leading_axes", says="B: vjp_sum of q")
class WrongLeadingAxesInB(GivesB):
    operator = operators.SumsTheLeadingAxes


@wrong("structure", says="B.*by the numbers that the DiagonalPlusLowRank holds", n_in=4)
class WrongStructureInB(GivesB):
    operator = operators.HoldsOtherNumbers


@wrong("edges", says="B: edges: expected at least .*, got 0")
class WrongEdgesInB(GivesB):
    operator = operators.ForFree


class MeanOfSamples(Kronecker):
    def vjp_sum(self, q, out=None):
        p = super().vjp_sum(q) / q.shape[-2]
        if out is not None:
            out[...] = p
        return p


@wrong("vjp_sum", says="the mean was taken, not the sum: a factor of N is missing")
class MeanInsteadOfSum(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": MeanOfSamples(4, z)}, B


class WithoutTheRightFactor(Kronecker):
    def vjp_norm(self, q):
        return np.linalg.norm(q, axis=-1) + 0 * self.right[:, 0]


@wrong("vjp_norm", says=r'A\["W"\]: vjp_norm: expected')
class NormOfOneFactor(Right):
    def jacobian(self, w, z, z_next):
        A, B = super().jacobian(w, z, z_next)
        return A | {"W": WithoutTheRightFactor(4, z)}, B
