"""The speed gap: how much slower forward mode is than reverse mode, as depth and width grow."""

from __future__ import annotations

from prograd_experiments.experiment import Experiment, from_configuration_alone
from prograd_experiments.speed_gap import measure, pictures, summary

SPEED_GAP = Experiment(
    name="speed_gap",
    question="How much slower is forward mode than reverse mode, as depth and width grow?",
    timed="one gradient",
    how=(
        "Each job builds one network, checks that the modes compute the same gradient to rounding, and then times them "
        "in turns inside one process, with the number of BLAS threads fixed. A sample repeats the gradient until it "
        "lasts long enough to be read off the clock well. Times are medians of the samples, the spread is the "
        "interquartile range (the width of the middle half of the samples), and the gap is the median of the ratios "
        "forward / reverse within each turn. The predicted gap is the ratio of the multiply-adds that each mode needs, "
        "counted from the structure of the Jacobian blocks: it knows nothing of memory, of call overhead, or of how "
        "well a product fills the processor."
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
