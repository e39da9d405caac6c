"""What several modes have in common: the pass to the outputs, and forward mode's columns."""

from __future__ import annotations

from prograd.planning import scratch
from prograd.planning.costs import Kind, Ledger, Step
from prograd.planning.products import Products, Vectors, depth_of
from prograd.planning.structure import Structure

SHALLOW = 8  # multiply-adds for each number: more than activations and normalisations take, less than most products


def forward_pass(ledger: Ledger, structure: Structure, rows: int, calls: int = 1, workers: int = 1) -> int:
    """`z^2 … z^{L+1}`, which are kept; returns their bytes. A layer's `g` takes about what its largest block does."""
    before = ledger.held
    for A, B in structure.chain.blocks:
        largest = max((B, *A.values()), key=lambda operator: operator.edges)
        depth = depth_of(largest, structure.samples)
        moved = structure.samples * (B.cols + B.rows) * structure.item
        # By the input no layer has an `A`, so whether it is a function of each number has to be told by its `B`.
        kind: Kind = "function" if not A and depth < SHALLOW else "product"
        multiply_adds = 0 if kind == "function" else structure.samples * largest.edges
        if kind == "product":
            moved += calls * structure.reads(largest, 0)
        ledger.around.append(Step(kind, calls, multiply_adds, moved, depth, workers))
        ledger.around.append(Step("layer", calls, 0, 0, threads=workers))
        ledger.hold(rows * B.rows * structure.item * workers)
    return ledger.held - before


def columns(ledger: Ledger, structure: Structure, workers: int, step: int) -> None:
    """Forward mode: `J_i = (A_i | B_i J_{i-1})` for all chunks."""
    chain, samples = structure.chain, structure.samples
    momentary = 0
    for (A, B), span in zip(chain.blocks, chain.spans, strict=True):
        older = chain.size - span.all.stop
        calls = -(-chain.size // step) - span.all.stop // step
        if older:
            products = Products(structure, samples, calls, workers)
            ledger.steps += products.jvp(B, Vectors(older, samples))
            momentary = max(momentary, scratch.apply_into(B, B.cols, B.rows, min(step, older) * samples))
        for name, at in span.each.items():
            calls = -(-at.stop // step) - at.start // step
            if at:
                ledger.steps += Products(structure, samples, calls, workers).columns(A[name], len(at))
                momentary = max(momentary, scratch.columns(A[name], min(step, len(at)) * samples))
    widest = max(B.rows for _, B in chain.blocks)
    ledger.touch(workers * structure.item * (2 * step * samples * widest + momentary))
