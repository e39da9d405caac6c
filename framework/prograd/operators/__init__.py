"""Structured Jacobians: an operator is a stack of linear maps, one for each sample."""

from __future__ import annotations

from prograd.arrays import passes
from prograd.operators import composition as _composition  # noqa: F401  (registers the rules of `@` and `+`)
from prograd.operators.base import Operator, Product, Sum
from prograd.operators.dense import Dense, as_operator
from prograd.operators.diagonal import Diagonal, Identity, Zero
from prograd.operators.entries import by_rows as csr_by_rows
from prograd.operators.kronecker import Kronecker
from prograd.operators.lowrank import DiagonalPlusLowRank
from prograd.operators.multiplication import multiply
from prograd.operators.nonzeros import SparseKronecker, nonzeros_times
from prograd.operators.rules import multiply_rule, product_rule, sum_rule
from prograd.operators.sparse import Sparse
from prograd.operators.stacked import Stacked

__all__ = [
    "Dense",
    "Diagonal",
    "DiagonalPlusLowRank",
    "Identity",
    "Kronecker",
    "Operator",
    "Product",
    "Sparse",
    "SparseKronecker",
    "Stacked",
    "Sum",
    "Zero",
    "as_operator",
    "csr_by_rows",
    "multiply",
    "multiply_rule",
    "nonzeros_times",
    "passes",
    "product_rule",
    "sum_rule",
]
