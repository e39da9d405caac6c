"""The bracketing experiment: what the best order of products gains, measured against predicted."""

from __future__ import annotations

from prograd_experiments.bracketing import measure, pictures, summary
from prograd_experiments.experiment import Experiment, from_configuration_alone

BRACKETING = Experiment(
    name="bracketing",
    question="How much does the best order of products gain, and is it known beforehand?",
    timed="one Jacobian or gradient",
    how=(
        "Each job plans a network before anything is computed: multiply-adds and bytes of every mode from the "
        "structure of its Jacobian blocks, and seconds from rates that are measured once on the machine. Then it "
        "checks that the modes compute the same to rounding, and times them in turns inside one process, with the "
        "number of BLAS threads fixed. Times are medians of the samples, the spread is the interquartile range. "
        "Reverse and forward are the pure modes, one bracketing from the left and one from the right; every other one "
        "is mixed. The gain is the time of the better pure mode over that of mode optimal (where that is not timed, of "
        "the mixed mode that was predicted to be the quickest); auto is the mode that would be chosen."
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
