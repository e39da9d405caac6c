"""The bracketing experiment in rows: the summary's columns, the table that people read, and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prograd_benchmarks.timing import quartiles
from prograd_experiments import records, tables
from prograd_experiments.experiment import Row
from prograd_experiments.records import Record
from prograd_experiments.speed_gap.summary import named
from prograd_experiments.tables import Cell, Table
from prograd_experiments.units import factor, seconds

POINT = ("width", "bottleneck", "depth", "outputs", "wrt", "batch", "activation", "network", "dtype", "threads", "seed")
PURE = ("reverse", "forward")
COLUMNS = (
    "status",
    *POINT,
    "chosen",
    "over",
    "mixed",
    "gain",
    "predicted_gain",
    "samples",
    "relative_difference",
    "parameters",
    "config_hash",
    "directory",
    "error",
)
OF_A_MODE = ("s", "predicted_s", "iqr_s", "multiply_adds", "peak_bytes")
CLOSE = 1.25


def columns(records: Sequence[Record]) -> list[str]:
    """`COLUMNS`, then five more for each mode that some record has."""
    return [*COLUMNS, *(f"{mode}_{what}" for mode in _modes(records) for what in OF_A_MODE)]


def row(record: Record) -> dict[str, Any]:
    """A record as one row. `gain` is how many times as long the quicker pure mode takes as the mixed one.

    `mixed` is "optimal" where it was timed, or else the mode beside reverse and forward that was predicted to be the
    quickest; `over` is how much longer the mode that auto would choose (of those that were timed) takes than the
    quickest that was measured.
    """
    config, problem = record["config"], record.get("problem", {})
    values: dict[str, Any] = {
        "status": record["status"],
        **{key: config.get(key) for key in ("width", "depth", "outputs", "wrt", "dtype", "threads", "seed")},
        "bottleneck": config.get("network", {}).get("bottleneck"),
        "batch": problem.get("samples", config.get("batch")),
        "activation": named(config.get("activation")),
        "network": config.get("network", {}).get("name"),
        "samples": min(map(len, record["samples"].values())) if record.get("samples") else None,
        "relative_difference": record.get("agreement", {}).get("relative_difference"),
        "parameters": problem.get("parameters"),
        "config_hash": record["config_hash"],
        "error": records.reason(record),
        **dict.fromkeys(("chosen", "over", "mixed", "gain", "predicted_gain")),
    }
    measured, planned = record.get("median", {}), record.get("plan", {}).get("modes", {})
    for mode in measured:
        values |= {
            f"{mode}_s": measured[mode],
            f"{mode}_iqr_s": record["spread"][mode],
            f"{mode}_quartiles": quartiles(record["samples"][mode]),
            f"{mode}_predicted_s": planned[mode]["seconds"],
            f"{mode}_multiply_adds": planned[mode]["multiply_adds"],
            f"{mode}_peak_bytes": planned[mode]["peak_bytes"],
        }
    predicted = {mode: planned[mode]["seconds"] for mode in measured}
    return values | _found(measured, predicted, record.get("plan", {}).get("mode"))


def _found(measured: Mapping[str, float], predicted: Mapping[str, float], mode: str | None) -> dict[str, Any]:
    if not measured:
        return {}
    chosen = mode if mode is not None and mode in measured else min(predicted, key=predicted.__getitem__)
    found: dict[str, Any] = {"chosen": chosen, "over": measured[chosen] / min(measured.values())}
    pure = [mode for mode in measured if mode in PURE]
    further = [mode for mode in measured if mode not in PURE]
    mixed = "optimal" if "optimal" in further else min(further, key=predicted.__getitem__, default=None)
    if pure and mixed:
        found |= {
            "mixed": mixed,
            "gain": min(measured[mode] for mode in pure) / measured[mixed],
            "predicted_gain": min(predicted[mode] for mode in pure) / predicted[mixed],
        }
    return found


def order(row: Row) -> tuple[tuple[bool, Any], ...]:
    """By what is measured, then by width and bottleneck."""
    keys = (*POINT[2:], *POINT[:2], "config_hash", "directory")
    return tuple((row[key] is None, 0 if row[key] is None else row[key]) for key in keys)


def modes_of(rows: Sequence[Row]) -> list[str]:
    """The modes that some row has a time of: the pure ones first."""
    return _pure_first(
        {key.removesuffix("_predicted_s") for row in rows for key in row if key.endswith("_predicted_s")}
    )


def varying(rows: Sequence[Row]) -> list[str]:
    """What tells the rows apart beside width and bottleneck."""
    return [key for key in POINT[2:] if len({row[key] for row in rows}) > 1]


def table(rows: Sequence[Row]) -> Table:
    """Each mode's time with its spread and its predicted time, the gain measured and predicted, and auto's choice."""
    modes, others = modes_of(rows) or list(PURE), varying(rows)
    point = ["width", "bottleneck", *others]
    results = [*(name for mode in modes for name in (mode, "predicted")), "gain", "predicted", "auto", "samples"]
    lines = []
    for row in rows:
        cells = [tables.plain(row[key], tables.NOTHING if key == "bottleneck" else "all") for key in point]
        if row["status"] != "complete":
            lines.append([*cells, *tables.unfinished(tables.STATUS_WORDS[row["status"]], len(results))])
            continue
        for mode in modes:
            cells += [tables.time(row.get(f"{mode}_s"), row.get(f"{mode}_iqr_s")), _predicted(row, mode)]
        cells += [tables.ratio(row["gain"], None), tables.ratio(row["predicted_gain"], None)]
        lines.append([*cells, tables.plain(row["chosen"]), tables.plain(row["samples"])])
    return Table(point, results, lines)


def _predicted(row: Row, mode: str) -> Cell:
    value = row.get(f"{mode}_predicted_s")
    return tables.NO_VALUE if value is None else Cell(seconds(value), value)


def samples(record: Record) -> dict[str, Sequence[float]]:
    """The times of each mode."""
    return dict(record.get("samples", {}))


def answer(rows: Sequence[Row]) -> str:
    """The largest gain with its times, how well gains are predicted, and how often auto is right."""
    measured = [row for row in rows if row["gain"] is not None]
    unfinished = sum(row["status"] != "complete" for row in rows)
    left = f" {unfinished} of {len(rows)} points gave no time: see the table." if unfinished else ""
    if not measured:
        return "No point has times of a pure mode and of a mixed one, so there is no gain to tell." + left
    best = max(measured, key=lambda row: float(row["gain"]))
    pure = min((mode for mode in PURE if best.get(f"{mode}_s")), key=lambda mode: float(best[f"{mode}_s"]))
    close = sum(1 / CLOSE <= row["gain"] / row["predicted_gain"] <= CLOSE for row in measured)
    right = sum(row["over"] <= 1.1 for row in measured)
    mixed = best["mixed"]
    return (
        f"At width {best['width']} with a bottleneck of {best['bottleneck']}, {mixed} mode takes "
        f"{seconds(best[f'{mixed}_s'])} and the better pure mode, {pure}, {seconds(best[f'{pure}_s'])}: "
        f"{factor(best['gain'])}, predicted {factor(best['predicted_gain'])}. The gain is within 25 % of the predicted "
        f"one at {close} of {len(measured)} points, and auto's choice within 10 % of the quickest at {right}.{left}"
    )


def _modes(records: Sequence[Record]) -> list[str]:
    return _pure_first({mode for record in records for mode in record.get("median", {})})


def _pure_first(modes: set[str]) -> list[str]:
    return [*(mode for mode in PURE if mode in modes), *sorted(modes - set(PURE))]
