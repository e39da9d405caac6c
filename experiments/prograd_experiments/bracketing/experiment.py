"""The bracketing experiment: what its rows, its table and its answer say of jobs that are planned and timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from prograd.units import factor, seconds
from prograd_benchmarks.timing import interquartile_range, paired_ratios, quartiles
from prograd_experiments import config as read
from prograd_experiments import timed
from prograd_experiments.architectures import NETWORKS
from prograd_experiments.bracketing.pictures import POINT, pictures
from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.planned import CLOSE, PURE, Planned, columns_of_modes, predictions
from prograd_experiments.records import Record
from prograd_experiments.rows import (
    Column,
    Row,
    at,
    choice,
    is_unsteady,
    marked,
    ratio,
    seeds_text,
    setting,
    without_result,
)

WELL_PREDICTED = 1.25


class Bracketing(Planned):
    """The pure modes against mixed ones, over width and bottleneck."""

    name = "bracketing"
    data = "synthetic"
    question = "How much does the best order of products gain, and is it known beforehand?"
    how = (
        "Each job plans a network before anything is computed: multiply-adds and bytes of every mode from the "
        "structure of its Jacobian blocks, and seconds from rates that are measured once on each machine. Then it "
        "checks that the modes compute the same result up to rounding, and times them in turns inside one process, "
        "with a fixed number of BLAS threads. Times are medians of the timings, the spread is the interquartile range. "
        "Reverse and forward are the pure modes: one brackets from the left, the other from the right. Every other "
        "mode is mixed. The gain is the time of the better pure mode over that of mode optimal (if that is not timed, "
        "of the mixed mode with the shortest predicted time); auto is the mode that would be chosen."
    )
    sorted_by = (*POINT[2:], *POINT[:2])

    def check(self, config: Config) -> Config:
        return super().check(_without_bottleneck(config))

    def without_effect(self, config: Config) -> Sequence[str]:
        left = _without_bottleneck(config)
        bottleneck = [] if left is config else ["network.bottleneck"]
        return [*super().without_effect(left), *bottleneck]

    def specification(self, records: Sequence[Record]) -> list[Column]:
        return [
            setting("width", "always"),
            setting("bottleneck", "always", "network.bottleneck"),
            *(setting(key) for key in ("depth", "outputs", "wrt")),
            setting("batch", read=timed.samples_of),
            *(choice(key, records=records) for key in ("activation", "network")),
            *(setting(key) for key in ("dtype", "threads", "machine", "seed")),
            *columns_of_modes(records),
            Column("chosen", at("chosen"), "auto"),
            Column("over", at("over")),
            Column("mixed", at("mixed")),
            Column("gain", at("gain"), "gain", ratio("gain", "gain_iqr")),
            Column("gain_iqr", at("gain_iqr"), csv="never"),
            Column("gain_quartiles", at("gain_quartiles"), csv="never", ends="gain"),
            Column("predicted_gain", at("predicted_gain"), "predicted", ratio("predicted_gain")),
            Column("timings", timed.fewest, "timings", merge=timed.least),
            Column("relative_difference", at("agreement.relative_difference")),
            Column("parameters", at("problem.parameters")),
        ]

    def derived(self, record: Record) -> Mapping[str, Any]:
        """With `mixed`, the mixed mode; `gain` is the time of the better pure mode over its time within turns."""
        measured, predicted = record.get("median", {}), predictions(record)
        pure = [mode for mode in measured if mode in PURE]
        further = [mode for mode in measured if mode not in PURE]
        found = super().derived(record)
        if not (pure and further):
            return found
        mixed = "optimal" if "optimal" in further else min(further, key=predicted.__getitem__)
        gains = paired_ratios(*(record["timings"][mode] for mode in (min(pure, key=measured.__getitem__), mixed)))
        return {
            **found,
            "mixed": mixed,
            "gain": median(gains),
            "gain_iqr": interquartile_range(gains),
            "gain_quartiles": quartiles(gains),
            "predicted_gain": min(predicted[mode] for mode in pure) / predicted[mixed],
        }

    def answer(self, rows: Sequence[Row]) -> str:
        """The largest gain with both times, how well gains are predicted, and how often auto is right."""
        measured = [row for row in rows if row["gain"] is not None]
        if not measured:
            return (
                f"No point has times of a pure and a mixed mode, so there is no gain to report.{without_result(rows)}"
            )
        best = max(measured, key=lambda row: (not _unsteady(row), _differs(row), float(row["gain"])))
        pure = min((mode for mode in PURE if best.get(f"{mode}_s")), key=lambda mode: float(best[f"{mode}_s"]))
        close = sum(1 / WELL_PREDICTED <= row["gain"] / row["predicted_gain"] <= WELL_PREDICTED for row in measured)
        right = sum(row["over"] <= CLOSE for row in measured)
        mixed = best["mixed"]
        judged = (
            f" The gain is within 25 % of the predicted one at {close} of {len(measured)} points, and auto's choice "
            f"within 10 % of the quickest at {right}.{without_result(rows)}"
        )
        if not _differs(best):
            return f"At no point do the mixed mode and the better pure mode differ by more than the spreads.{judged}"
        return (
            f"At width {best['width']} with a bottleneck of {best['bottleneck']}, {mixed} mode takes "
            f"{_time(best, mixed)} and the better pure mode, {pure}, {_time(best, pure)}: "
            f"{ratio('gain', 'gain_iqr')(best).text}, predicted {factor(best['predicted_gain'])}{seeds_text(best)}."
            f"{judged}"
        )

    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        return pictures(rows)


def _time(row: Row, mode: str) -> str:
    return seconds(row[f"{mode}_s"]) + marked(row, f"{mode}_s", f"{mode}_iqr_s")


def _unsteady(row: Row) -> bool:
    return any(is_unsteady(row, f"{mode}_s", f"{mode}_iqr_s") for mode in (*PURE, row["mixed"]))


def _differs(row: Row) -> bool:
    """Whether the mixed mode and the better pure mode differ by more than the spreads of their timings."""
    pure = min((mode for mode in PURE if row.get(f"{mode}_s")), key=lambda mode: float(row[f"{mode}_s"]))
    (low, high), (least, most) = row[f"{pure}_quartiles"], row[f"{row['mixed']}_quartiles"]
    return bool(high < least or most < low)


def _without_bottleneck(config: Config) -> Config:
    """The configuration without the bottleneck, which the experiment's own file sets, unless it is an hourglass."""
    if read.choice(config, "network.name", tuple(NETWORKS)) == "hourglass":
        return config
    return read.without(config, ["network.bottleneck"])
