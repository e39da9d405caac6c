"""The peers: how fast prograd is beside numpy, JAX, PyTorch and autograd, and beside the matrix products alone."""

from __future__ import annotations

from prograd_experiments.experiment import Experiment, from_configuration_alone
from prograd_experiments.peers import measure, pictures, summary

PEERS = Experiment(
    name="peers",
    question="How fast is prograd beside its peers, and beside the matrix products alone?",
    timed="one call",
    how=(
        "Every engine lives in a process of its own, gets the same arrays, and has the same number of threads. At each "
        "point, a task on a square tanh network, each engine's result is first compared with a hand-written one in "
        "float64, and an engine whose result is wrong is not timed. Then the engines take turns, round by round, every "
        "second round in the opposite order: a sample repeats the call until it lasts long enough to be read off the "
        "clock well. Compiling is not timed, nor is any conversion: inputs and results are of the engine's own type, "
        "and a call has ended when its result is there. Times are medians, the spread is the interquartile range, and "
        "each ratio is the median of the ratios within the rounds. The floor is the matrix products that the task can "
        "not do without, alone, into memory that is kept: three for each layer and two for the first in a gradient. An "
        "engine that a point takes too long, or too much memory, is stopped and shown as such."
    ),
    check=measure.check,
    measure=from_configuration_alone(measure.measure),
    columns=summary.columns,
    row=summary.row,
    order=summary.order,
    table=summary.table,
    samples=summary.samples,
    answer=summary.answer,
    pictures=pictures.pictures,
)
