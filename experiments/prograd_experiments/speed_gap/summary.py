"""The speed gap in rows: the summary's columns, the table that people read, and the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from prograd_benchmarks.timing import paired_ratios
from prograd_experiments import records, tables
from prograd_experiments.experiment import Row
from prograd_experiments.records import Record
from prograd_experiments.tables import Table
from prograd_experiments.units import seconds, three

POINT = ("depth", "width", "data", "network", "activation", "loss", "batch", "dtype", "threads", "seed")
MODES = ("forward", "reverse")
COLUMNS = (
    "status",
    *POINT,
    "forward_s",
    "reverse_s",
    "gap",
    "predicted_gap",
    "forward_iqr_s",
    "reverse_iqr_s",
    "gap_iqr",
    "forward_multiply_adds",
    "reverse_multiply_adds",
    "samples",
    "relative_difference",
    "parameters",
    "config_hash",
    "directory",
    "error",
)


def columns(records: Sequence[Record]) -> list[str]:
    """`COLUMNS`, then four more for each further mode that some record has, in the order of the modes' names."""
    further = sorted({mode for record in records for mode in record.get("median", {})} - set(MODES))
    return [*COLUMNS, *(f"{mode}_{what}" for mode in further for what in ("s", "gap", "iqr_s", "multiply_adds"))]


def row(record: Record) -> dict[str, Any]:
    """A record as one row: times in seconds per gradient. What a failed job lacks is None."""
    config, problem = record["config"], record.get("problem", {})
    values: dict[str, Any] = {
        "status": record["status"],
        "depth": config.get("depth"),
        "width": config.get("width"),
        "data": named(config.get("data")),
        "network": named(config.get("network")),
        "activation": named(config.get("activation")),
        "loss": named(config.get("loss")),
        "batch": problem.get("samples", config.get("batch")),
        "dtype": config.get("dtype"),
        "threads": config.get("threads"),
        "seed": config.get("seed"),
        "gap": record.get("gap"),
        "predicted_gap": record.get("predicted_gap"),
        "gap_iqr": record.get("gap_spread"),
        "modes": list(record.get("median", ())),
        "samples": min(map(len, record["samples"].values())) if record.get("samples") else None,
        "relative_difference": record.get("agreement", {}).get("relative_difference"),
        "parameters": problem.get("parameters"),
        "config_hash": record["config_hash"],
        "error": records.reason(record),
    }
    for mode in {*MODES, *record.get("median", {})}:
        values |= {
            f"{mode}_s": record.get("median", {}).get(mode),
            f"{mode}_iqr_s": record.get("spread", {}).get(mode),
            f"{mode}_multiply_adds": record.get("multiply_adds", {}).get(mode),
            f"{mode}_samples": record.get("samples", {}).get(mode),
        }
        if mode not in MODES:
            values[f"{mode}_gap"] = record.get("gaps", {}).get(mode, {}).get("median")
    return values


def order(row: Row) -> tuple[tuple[bool, Any], ...]:
    """Sorts rows by what tells them apart, depth and width last, so that a table reads like a grid."""
    keys = (*POINT[2:], "depth", "width", "config_hash", "directory")
    return tuple((row[key] is None, 0 if row[key] is None else row[key]) for key in keys)


def modes_of(rows: Sequence[Row]) -> list[str]:
    """The modes that some row has a time of: forward and reverse first, further ones by name."""
    found = {mode for row in rows for mode in row["modes"]}
    return [*(mode for mode in MODES if mode in found), *sorted(found - set(MODES))]


def varying(rows: Sequence[Row]) -> list[str]:
    """What tells the rows apart beside depth and width: the columns of the point that have more than one value."""
    return [key for key in POINT[2:] if len({row[key] for row in rows}) > 1]


def table(rows: Sequence[Row]) -> Table:
    """Depth and width, what else varies; each mode's time and the gap with their spread, the predicted gap, samples."""
    modes, others = modes_of(rows) or list(MODES), varying(rows)
    point, results = ["depth", "width", *others], [*modes, "gap", "predicted", "samples"]
    lines = []
    for row in rows:
        cells = [tables.plain(row[key], "all") for key in point]
        if row["status"] != "complete":
            lines.append([*cells, *tables.unfinished(tables.STATUS_WORDS[row["status"]], len(results))])
            continue
        times = [tables.time(row.get(f"{mode}_s"), row.get(f"{mode}_iqr_s")) for mode in modes]
        gaps = [tables.ratio(row["gap"], row["gap_iqr"]), tables.ratio(row["predicted_gap"], None)]
        lines.append([*cells, *times, *gaps, tables.plain(row["samples"])])
    return Table(point, results, lines)


def samples(record: Record) -> dict[str, Sequence[float]]:
    """The times of each mode, and the ratio forward / reverse in each turn."""
    found: dict[str, Sequence[float]] = dict(record.get("samples", {}))
    return found | ({"gap": paired_ratios(*(found[mode] for mode in MODES))} if set(MODES) <= set(found) else {})


def answer(rows: Sequence[Row]) -> str:
    """How large the gap is at its ends, with both raw times, and in which direction it grows."""
    measured = [row for row in rows if row["gap"] is not None]
    if not measured:
        return "No point has times of both forward and reverse mode, so there is no gap to tell." + _unfinished(rows)
    least, most = min(measured, key=_gap), max(measured, key=_gap)
    growth = " and with the ".join(key for key in ("width", "depth") if grows(measured, key))
    sentence = f"{_on(rows)}orward mode takes {_ends(least, most)}"
    return sentence + (f" The gap grows with the {growth} throughout." if growth else "") + _unfinished(rows)


def grows(rows: Sequence[Row], key: str) -> bool:
    """Whether the gap increases with `key` wherever everything else is equal, and there is something to compare."""
    fixed = [other for other in POINT if other != key]
    lines: dict[tuple[Any, ...], list[tuple[Any, float]]] = {}
    for row in rows:
        lines.setdefault(tuple(row[other] for other in fixed), []).append((row[key], row["gap"]))
    compared = [[gap for _, gap in sorted(line)] for line in lines.values() if len(line) > 1]
    return bool(compared) and all(a < b for line in compared for a, b in pairwise(line))


def explained(row: Row) -> str:
    """Both raw times of a row, where a ratio of them is shown."""
    return f"{seconds(row['forward_s'])} against {seconds(row['reverse_s'])}"


def _on(rows: Sequence[Row]) -> str:
    data, batches = {row["data"] for row in rows}, {row["batch"] for row in rows}
    if len(data) > 1 or len(batches) > 1:
        return "F"
    (name,), (batch,) = data, batches
    return f"On {name} ({batch} {'sample' if batch == 1 else 'samples'}), f"


def _ends(least: Row, most: Row) -> str:
    if least is most:
        return f"{three(_gap(most))} times as long as reverse mode {_where(most)}: {explained(most)} for one gradient."
    return (
        f"{three(_gap(least))} to {three(_gap(most))} times as long as reverse mode: {explained(least)} for one "
        f"gradient {_where(least)}, {explained(most)} {_where(most)}."
    )


def _unfinished(rows: Sequence[Row]) -> str:
    left = sum(row["status"] != "complete" for row in rows)
    return f" {left} of {len(rows)} points gave no time: see the table." if left else ""


def _gap(row: Row) -> float:
    return float(row["gap"])


def _where(row: Row) -> str:
    return f"at depth {row['depth']}, width {row['width']}"


def named(value: object) -> str:
    """A group or a layer in short: its name, with the options that it has beside it."""
    if not isinstance(value, dict):
        return str(value)
    options = {key: option for key, option in value.items() if key != "name" and option is not None}
    name = str(value.get("name"))
    return f"{name} {json.dumps(options, sort_keys=True)}" if options else name
