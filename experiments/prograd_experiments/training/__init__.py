"""Training: the objective over a data set minimised, with gradients from any mode."""

from __future__ import annotations

from prograd_experiments.experiment import Experiment
from prograd_experiments.training import loop, pictures, settings, summary

TRAIN = Experiment(
    name="train",
    question="How well does the network predict what it has not seen?",
    timed="",
    how=(
        "The samples are shuffled and split by the seed. Features, and the targets of a regression, are standardised "
        "by the training part alone. The loss is the mean over the samples, and the gradients come from the mode that "
        "the configuration names. Accuracy is the part of the samples whose class is right; the error of a regression "
        "is the root of the mean square, in standard deviations of the training targets. Losses and scores are those "
        "of one run with one seed: their spread shows in a sweep over seeds."
    ),
    check=settings.check,
    measure=loop.train,
    columns=lambda _: list(summary.COLUMNS),
    row=summary.row,
    order=summary.order,
    table=summary.table,
    samples=summary.samples,
    answer=summary.answer,
    pictures=pictures.pictures,
    legend=(
        "Losses are means over the samples; those called test were not trained on. Each figure is of one run: it has "
        "no spread."
    ),
)
