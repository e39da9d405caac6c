"""What each mode costs: the recursions once more, with ledgers in the place of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from prograd import factored as factors
from prograd import threads
from prograd.operators import Dense
from prograd.planning import scratch
from prograd.planning.arithmetic import Planned
from prograd.planning.costs import Cost, Ledger, Step
from prograd.planning.optimal import Accumulated
from prograd.planning.passes import columns, forward_pass
from prograd.planning.products import Products, Vectors
from prograd.planning.structure import Structure
from prograd.shards import shards

Outputs: TypeAlias = Literal["gradient", "jacobian"]
LOSS_ARRAYS = 4  # of the shape of the output, while a loss has its value and gradient computed


@dataclass(frozen=True)
class Task:
    """What is to be computed, the gradient of a mean or a Jacobian, and with how many bytes at the most."""

    outputs: Outputs
    max_bytes: int | None = None


def reverse(structure: Structure, task: Task) -> Cost:
    """`∇f`, shard by shard, or the rows of `J`, in as many parts as there are threads."""
    return _reverse_gradient(structure) if task.outputs == "gradient" else _reverse_jacobian(structure)


def forward(structure: Structure, task: Task) -> Cost:
    """The columns of `J` in chunks, each put in its place, or multiplied by `∇ℓ`."""
    chain, item = structure.chain, structure.item
    ledger = Ledger(item)
    passed = forward_pass(ledger, structure, structure.samples)
    ledger.hold(structure.made(chain.blocks, structure.samples))
    ledger.around.append(Step("merge", 1, 0, 0))  # chunks and their buffers, as for the columns of a merge
    n_out = structure.samples * chain.rows
    if task.outputs == "gradient":
        ledger.hold(2 * n_out * item)
        ledger.hold(chain.size * item)
    else:
        ledger.hold(structure.viewed(chain.blocks, structure.samples) - passed)
        ledger.hold(n_out * chain.size * item)
    workers, step = chain.chunking(task.max_bytes)
    columns(ledger, structure, workers, step)
    chunks = -(-chain.size // step)
    if task.outputs == "gradient":
        moved = (chain.size * n_out + chunks * n_out) * item
        ledger.steps.append(Step("product", chunks, chain.size * n_out, moved, 1.0, workers))
    else:
        ledger.around.append(Step("transpose", chunks, 0, 2 * chain.size * n_out * item, 1.0, workers))
    return ledger.cost()


def _reverse_gradient(structure: Structure) -> Cost:
    chain, item = structure.chain, structure.item
    cuts = shards(structure.samples, structure.widest * item)
    rows, workers = cuts[0].stop, min(threads.available(), len(cuts))
    ledger = Ledger(item)
    ledger.hold(chain.size * item)
    products = Products(structure, rows, len(cuts), workers)
    forward_pass(ledger, structure, rows, len(cuts), workers)
    ledger.touch(LOSS_ARRAYS * rows * chain.rows * item * workers)
    ledger.hold(rows * chain.rows * item * workers)
    n_q, before = chain.rows, 0
    for i, (A, B) in reversed(list(enumerate(chain.blocks))):
        own = structure.made([(A, B)], rows)
        ledger.touch((rows * n_q * item + before + own) * workers)
        for name, at in chain.spans[i].each.items():
            ledger.steps += products.vjp_sum(A[name], Vectors(1, structure.samples))
            part = len(at) * item if len(cuts) > 1 else 0
            ledger.touch(((rows * n_q + scratch.vjp_sum(A[name], rows)) * item + own + part) * workers)
        if i > 0:
            ledger.steps += products.vjp(B, Vectors(1, structure.samples))
            moment = rows * (n_q + B.cols) + scratch.apply(B, B.rows, B.cols, rows)
            ledger.touch((moment * item + own) * workers)
        n_q, before = B.cols, own
    return ledger.cost()


def _reverse_jacobian(structure: Structure) -> Cost:
    chain, item = structure.chain, structure.item
    size, R = structure.samples * chain.rows * chain.size, chain.rows
    parts = len(threads.parts(R, size))
    ledger = Ledger(item)
    passed = forward_pass(ledger, structure, structure.samples)
    ledger.hold(structure.made(chain.blocks, structure.samples))
    ledger.hold(structure.viewed(chain.blocks, structure.samples) - passed)
    ledger.hold((size + R * R) * item)
    products = Products(structure, structure.samples, parts, parts)
    q = Vectors(R, 1)  # row k of J begins as e_k, for every sample
    for i, (A, B) in reversed(list(enumerate(chain.blocks))):
        for name in chain.spans[i].each:
            ledger.steps += products.vjp_into(A[name], q)
            ledger.touch((q.all * B.rows + scratch.vjp_into(A[name], products.through(A[name], q).all)) * item)
        if i > 0:
            ledger.steps += products.vjp(B, q)
            after = products.through(B, q)
            ledger.touch((q.all * B.rows + after.all * B.cols + scratch.apply(B, B.rows, B.cols, after.all)) * item)
            q = after
    return ledger.cost()


def factored(structure: Structure, task: Task) -> Cost:
    """The left factors of `J`, shard by shard, and `∇ℓ` pulled through them, or `J` written out row by row."""
    return _factored_gradient(structure, task) if task.outputs == "gradient" else _factored_jacobian(structure)


def _factored_gradient(structure: Structure, task: Task) -> Cost:
    chain, item = structure.chain, structure.item
    cuts = factors.shards(structure.net, structure.samples, item, task.max_bytes)
    rows, workers = cuts[0].stop, min(threads.available(), len(cuts))
    ledger = Ledger(item)
    ledger.hold(chain.size * item)
    forward_pass(ledger, structure, rows, len(cuts), workers)
    ledger.hold(structure.made(chain.blocks, rows) * workers)
    products = Products(structure, rows, len(cuts), workers)
    ledger.hold(2 * rows * chain.rows * item * workers)
    J = factors.forward(chain.blocks, Planned(products, ledger))
    for P, layers in J:
        pulled = products.through(P, Vectors(1, structure.samples))
        ledger.steps += products.vjp(P, Vectors(1, structure.samples))
        for A in (A for j in layers for A in chain.blocks[j][0].values()):
            ledger.steps += products.vjp_sum(A, pulled)
            ledger.touch((rows * P.cols + scratch.vjp_sum(A, rows)) * item * workers)
    return ledger.cost()


def _factored_jacobian(structure: Structure) -> Cost:
    chain, item = structure.chain, structure.item
    ledger = Ledger(item)
    passed = forward_pass(ledger, structure, structure.samples)
    ledger.hold(structure.made(chain.blocks, structure.samples))
    ledger.hold(structure.viewed(chain.blocks, structure.samples) - passed)
    J = factors.each(
        factors.forward(chain.blocks, Planned(Products(structure, structure.samples), ledger)), chain.blocks
    )
    size = structure.samples * chain.rows * chain.size
    ledger.hold(size * item)
    parts = len(threads.parts(chain.rows, size))
    products = Products(structure, structure.samples, parts, parts)
    for j, P in J.items():
        q = Vectors(chain.rows, structure.stack(P))
        if not isinstance(P, Dense):
            ledger.steps += products.vjp(P, Vectors(chain.rows, 1))
            ledger.touch((q.all * P.cols + scratch.apply(P, P.rows, P.cols, q.all)) * item)
        for A in chain.blocks[j][0].values():
            ledger.steps += products.vjp_into(A, q)
            ledger.touch(scratch.vjp_into(A, products.through(A, q).all) * item)
    return ledger.cost()


def optimal(structure: Structure, task: Task) -> Cost:
    """The cheapest bracketing; a gradient's is reverse mode, as good as always."""
    planned = Accumulated(structure, gradient=task.outputs == "gradient", max_bytes=task.max_bytes)
    return _reverse_gradient(structure) if planned.is_reverse else planned.cost()


CostFunction: TypeAlias = Callable[[Structure, Task], Cost]
COSTS: Mapping[str, CostFunction] = MappingProxyType(
    {"reverse": reverse, "forward": forward, "factored": factored, "optimal": optimal}
)
LONGEST = 200  # layers for which the cheapest bracketing is found in a fraction of a second; the time is cubic


def considered(layers: int) -> list[str]:
    """The modes that "auto" takes into account for so many layers."""
    return [mode for mode in COSTS if mode != "optimal" or layers <= LONGEST]
