"""Training: what can be set, and what the rows, the table and the answer say of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, inf
from pathlib import Path
from statistics import median
from types import MappingProxyType

import prograd
from prograd.units import three
from prograd_experiments import config as read
from prograd_experiments import files, networks
from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.experiment import Experiment, Progress, Results
from prograd_experiments.records import Record
from prograd_experiments.rows import (
    NO_VALUE,
    Cell,
    Column,
    Row,
    at,
    choice,
    half_width,
    seeds_text,
    setting,
    time,
    without_result,
)
from prograd_experiments.training.lesson import BALANCED, prepare
from prograd_experiments.training.loop import train
from prograd_experiments.training.pictures import CHOICES, POINT, epoch_text, label, mean_curves, pictures
from prograd_experiments.training.scores import ACCURACY, HIGHER, R_SQUARED, score_text
from prograd_experiments.training.swept import CONFIG, without_seed

KEYS = (
    *("experiment", *(key for key in networks.KEYS if key != "batch"), "weights", "penalty", "optimizer", "mode"),
    "epochs",
    *(
        "test_fraction",
        "validation_fraction",
        "evaluate_every",
        "checkpoint_seconds",
        "frozen",
        "start",
        "start_sha256",
        "threads",
    ),
)
INSTEAD = MappingProxyType({"modes": "mode", "batch": "optimizer.batch"})
OPTIMIZERS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "gradient_descent": ("rate",),
        "sgd": ("rate", "momentum", "batch"),
        "adam": ("rate", "beta1", "beta2", "epsilon", "batch"),
        "lbfgs": ("iterations", "memory"),
    }
)
NO_PENALTY = MappingProxyType({"name": "none"})
OF: Mapping[str, str] = MappingProxyType({ACCURACY: "of the classes right", R_SQUARED: R_SQUARED})
OF_ERRORS = "(standard deviations) of error"
"""What a score is a number of; errors are those of records from before there was R²."""

FEW = 4
"""So few points are listed one by one."""

PARTS = ("train", "validation", "test")
FINAL = tuple(f"{part}_{what}" for what in ("loss", "score", "error") for part in PARTS)


class Training(Experiment):
    """A network trained on a data set, with gradients from one mode."""

    name = "train"
    question = "How well does the network predict samples that it has not seen?"
    how = (
        "The seed shuffles the samples and splits them into parts for training, validation and testing. Features, and "
        "the targets of a regression, are standardised by the training part alone. The loss is the mean over the "
        "samples; weights of classes and a penalty belong to what is minimised, not to the losses that are shown. The "
        "gradients come from the mode that the configuration names. Accuracy is the fraction of samples with the right "
        "class. R² of a regression is 1 where predictions are exact, and 0 where they are as good as the mean; its "
        "error is the root mean square error in the target's units. The validation part chooses the epoch whose "
        "parameters are the result, and of several runs the one whose test score is the answer. Losses and scores come "
        "from one run with one seed: a sweep over seeds shows their mean and standard deviation."
    )
    legend = (
        "Losses are means over the samples; the validation and test losses are of samples that were not trained on. "
        "Losses and scores are those of the epoch that the validation part chose, or else of the last. "
        "A number of one seed has no spread."
    )
    sorted_by = POINT
    unused = MappingProxyType({"modes": ["forward", "reverse"], "batch": 1, "machine": None})

    def check(self, config: Config) -> Config:
        read.unused(config, self.name, self.unused, INSTEAD)
        read.known_keys(config, (*KEYS, *self.unused))
        name = read.choice(config, "optimizer.name", tuple(OPTIMIZERS))
        read.known_keys(config["optimizer"], ("name", *OPTIMIZERS[name]), "optimizer")
        for key in OPTIMIZERS[name]:
            if key in {"rate", "epsilon"}:
                read.positive(config, f"optimizer.{key}")
            elif key in {"momentum", "beta1", "beta2"}:
                read.fraction(config, f"optimizer.{key}")
            else:
                read.integer(config, f"optimizer.{key}", 1)
        read.choice(config, "mode", (*prograd.MODES, "auto"))
        for key in ("epochs", "evaluate_every", "threads"):
            read.integer(config, key, 1)
        read.fraction(config, "test_fraction")
        read.fraction(config, "validation_fraction")
        read.not_negative(config, "checkpoint_seconds")
        read.integers(config, "frozen")
        if read.get(config, "start") is not None:  # another checkpoint at the same path is another configuration
            config = {**config, "start_sha256": files.sha256(config, "start")}
        if read.get({"penalty": NO_PENALTY, **config}, "penalty.name") == NO_PENALTY["name"]:
            read.known_keys(config.get("penalty", NO_PENALTY), NO_PENALTY, "penalty")
            config = read.without(config, ["penalty"])  # as before there was such a key
        config = read.without(config, ["weights"] if config.get("weights") is None else [])
        _require_weights(config.get("weights", BALANCED))
        networks.penalty(config)
        whole = networks.check({**config, "batch": None})
        return {key: whole[key] for key in KEYS if key in whole}

    def without_effect(self, config: Config) -> Sequence[str]:
        return networks.without_effect(config)

    def predicted_seconds(self, config: Config) -> float:
        """The time of the gradients of all steps; what is evaluated between epochs is not in it."""
        lesson, optimizer = prepare(config), config["optimizer"]
        samples = len(lesson.train.x)
        batch = optimizer.get("batch", samples)
        plan = prograd.plan(lesson.net, batch, lesson.trained or "parameters", dtype=lesson.w.dtype)
        mode = plan.mode if config["mode"] == "auto" else config["mode"]
        steps = ceil(samples / batch) * optimizer.get("iterations", 1)
        return float(config["epochs"] * steps * plan.seconds[mode])

    def measure(self, config: Config, directory: Path, *, force: bool, progress: Progress) -> Results:
        return train(config, directory, force=force, progress=progress)

    def specification(self, records: Sequence[Record]) -> list[Column]:
        kinds = {record["score_is"] for record in records if record.get("score_is")}
        score = next(iter(kinds)) if len(kinds) == 1 and kinds <= {*HIGHER} else "score"
        stopped = any(record.get("chosen_epoch") not in {None, record.get("epochs_done")} for record in records)
        with_errors = any((record.get("final") or {}).get("test_error") is not None for record in records)
        return [
            *(
                choice(key, "always" if key in {"data", "optimizer"} else "varying", records)
                if key in CHOICES
                else _penalty()
                if key == "penalty"
                else setting(key)
                for key in POINT
            ),
            Column("epochs_done", at("epochs_done"), "epochs done", of_any_job=True),
            Column("chosen_epoch", at("chosen_epoch"), "chosen epoch" if stopped else "", _chosen, csv="last"),
            *(
                Column(key, at(f"final.{key}"), heading, write(key))
                for key, heading, write in (
                    ("train_loss", "train loss", _loss),
                    ("validation_loss", "validation loss", _loss),
                    ("test_loss", "", _loss),  # a terminal has no room for all
                    ("train_score", "", _score),
                    ("validation_score", f"validation {score}", _score),
                    ("test_score", f"test {score}", _score),
                )
            ),
            Column("test_error", at("final.test_error"), "test error" if with_errors else "", _loss("test_error")),
            Column("score_is", at("score_is")),
            *(
                Column(key, at(f"problem.{key}"))
                for key in ("target", *(f"{part}_samples" for part in PARTS), "parameters")
            ),
            Column("seconds", at("seconds"), "took", time("seconds")),
            Column("curves", at("curves"), csv="never", merge=mean_curves),
            Column(CONFIG, without_seed, csv="never"),
        ]

    def compared(self, record: Record) -> Mapping[str, Sequence[float]]:
        """One value each of the losses, the scores and the seconds."""
        if record["status"] != "complete":
            return {}
        values = {key.replace("_", " "): record["final"].get(key) for key in FINAL} | {"took": record.get("seconds")}
        return {key: [float(value)] for key, value in values.items() if value is not None}

    def answer(self, rows: Sequence[Row]) -> str:
        """The score on unseen samples for each data set: of each point if they are few, else from which to which."""
        left = without_result(rows, "points did not finish")
        measured = [row for row in rows if row["status"] == "complete" and row["test_score"] is not None]
        if not measured:
            return f"No point has a score on samples that it was not trained on.{left}"
        return (
            " ".join(_scores([row for row in measured if row["data"] == data]) for data in _distinct(measured)) + left
        )

    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        return pictures(rows)


def _require_weights(given: object) -> None:
    numbers = isinstance(given, list) and all(type(each) in {int, float} and 0 <= each < inf for each in given)
    if given != BALANCED and not (numbers and given):
        raise read.refused(
            "weights", f"{BALANCED}, or a list of finite numbers of at least 0, one for each class", given
        )


def _penalty() -> Column:
    """The column of the penalty's name; a configuration without the key has none."""
    name = at("config.penalty.name")
    of = ("penalty", "penalty.name")
    return Column("penalty", lambda record: name(record) or NO_PENALTY["name"], point="varying", csv="last", of=of)


def _distinct(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["data"] for row in rows))


def _scores(rows: Sequence[Row]) -> str:
    first, kinds = rows[0], {row["score_is"] for row in rows}
    if len(rows) == 1:
        return f"{_scored(first)}{seeds_text(first)}."
    if len(kinds) > 1:
        return f"On {first['data']}: {len(rows)} points with scores of several kinds, which the table has."
    if all(row[f"validation_{what}"] is not None for row in rows for what in ("score", "loss")):
        better = 1 if first["score_is"] in HIGHER else -1
        best = max(rows, key=lambda row: (better * row["validation_score"], -row["validation_loss"]))
        chosen = f"chosen from {len(rows)} points by its validation score"
        return f"{_scored(best)}{seeds_text(best)}; {chosen} ({label(best, rows)})."
    # A point that is picked by its score on these samples would be said to be better than it is.
    on = f"On {first['data']}, {OF.get(first['score_is'], OF_ERRORS)} on samples that were not trained on"
    if len(rows) <= FEW:
        each = "; ".join(f"{_with_spread(row)} at {label(row, rows)}{seeds_text(row)}" for row in rows)
        return f"{on}: {each}."
    values = sorted(row["test_score"] for row in rows)
    low, middle, high = (score_text(value, first) for value in (values[0], median(values), values[-1]))
    return (
        f"{on}: {low} to {high} at {len(rows)} points, {middle} in the median. The "
        "best of many is better than it would be on other samples."
    )


def _scored(row: Row) -> str:
    """`On iris: 97.4 % of the classes right on 38 samples that were not trained on, after 30 epochs of sgd`."""
    of, error = OF.get(row["score_is"], OF_ERRORS), ""
    words = (of, _with_spread(row)) if row["score_is"] == R_SQUARED else (_with_spread(row), of)
    if row["test_error"] is not None:
        error = f", an error of {_spread_cell(row, 'test_error', three).text} in {row['target']},"
    samples = f"on {row['test_samples']} samples that were not trained on"
    return f"On {row['data']}: {' '.join(words)}{error} {samples}, after {_epochs(row)} of {row['optimizer']}"


def _with_spread(row: Row) -> str:
    return _score("test_score")(row).text


def _epochs(row: Row) -> str:
    """`30 epochs`, or `12 of 30 epochs` if the validation part chose an earlier one."""
    done, chosen = row["epochs_done"], row["chosen_epoch"]
    earlier = "" if chosen in {None, done} else f"{epoch_text(chosen)} of "
    return f"{earlier}{done:g} epoch{'s' * (done != 1)}"


def _chosen(row: Row) -> Cell:
    return _spread_cell(row, "chosen_epoch", epoch_text)


def _loss(key: str) -> Callable[[Row], Cell]:
    return lambda row: _spread_cell(row, key, lambda value: f"{value:.4g}")


def _score(key: str) -> Callable[[Row], Cell]:
    return lambda row: _spread_cell(row, key, lambda value: score_text(value, row))


def _spread_cell(row: Row, key: str, write: Callable[[float], str]) -> Cell:
    """The value, with its deviation over the seeds in the same unit."""
    if row[key] is None:
        return NO_VALUE
    width = half_width(row, key)
    text = write(row[key])
    return Cell(text if width is None else f"{text.removesuffix(' %')} ± {write(width)}", row[key])
