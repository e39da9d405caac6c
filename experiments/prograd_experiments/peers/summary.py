"""The peers in rows: the summary's columns, the table that people read, and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from prograd_benchmarks.timing import paired_ratios
from prograd_experiments import records, tables
from prograd_experiments.experiment import Row
from prograd_experiments.peers.compare import NO_SUCH_TASK
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.given import TASKS
from prograd_experiments.peers.point import DTYPES
from prograd_experiments.records import Record
from prograd_experiments.tables import Cell, Table
from prograd_experiments.units import factor, seconds

POINT = ("task", "depth", "width", "batch", "dtype", "threads", "seed")
OWN = ("floor", "prograd")
PEERS = tuple(name for name in ENGINES if name not in OWN)
RATIOS = ("prograd_to_floor", "best_peer_to_prograd", "best_peer_to_floor")
COLUMNS = (
    "status",
    *POINT,
    *(f"{name}_s" for name in ENGINES),
    *(f"{name}_iqr_s" for name in ENGINES),
    *(f"{name}_outcome" for name in ENGINES),
    "best_peer",
    *RATIOS,
    *(f"{ratio}_iqr" for ratio in RATIOS),
    *(f"{name}_to_floor" for name in PEERS),
    "config_hash",
    "directory",
    "error",
)
TASK_WORDS = {
    "reverse": "gradient in reverse mode",
    "forward": "gradient in forward mode",
    "jacobian": "Jacobian of the network",
    "per_sample": "gradient of each sample",
}


def columns(records: Sequence[Record]) -> list[str]:
    """`COLUMNS`, then the seconds of each single way of an engine that has several."""
    ways = {name for record in records for name in record.get("outcomes", {}) if "/" in name}
    return [*COLUMNS, *(f"{name.replace('/', '_')}_s" for name in sorted(ways))]


def row(record: Record) -> dict[str, Any]:
    """A record as one row: times in seconds per call. What a failed job or an engine lacks is None.

    An engine's own time is that of the way it picks by itself, or of its fastest.
    """
    config, medians = record["config"], record.get("median", {})
    values: dict[str, Any] = {
        "status": record["status"],
        **{key: config.get(key) for key in POINT},
        "config_hash": record["config_hash"],
        "error": records.reason(record),
        "samples": max(map(len, record.get("samples", {}).values()), default=None),
        "engines": list(config.get("engines", ())),
    }
    heads = {engine: headline(record, engine) for engine in ENGINES}
    for engine, name in heads.items():
        values |= {
            f"{engine}_s": medians.get(name),
            f"{engine}_iqr_s": record.get("spread", {}).get(name),
            f"{engine}_outcome": record.get("outcomes", {}).get(name, {}).get("outcome"),
            f"{engine}_note": record.get("outcomes", {}).get(name, {}).get("note"),
            f"{engine}_samples": len(record.get("samples", {}).get(name, ())),
            f"{engine}_way": name.partition("/")[2],
            **{f"{engine}_to_{to}": _ratio(record, name, to).get("median") for to in OWN},
            **{f"{engine}_to_{to}_quartiles": _ratio(record, name, to).get("quartiles") for to in OWN},
        }
    values |= {f"{name.replace('/', '_')}_s": medians.get(name) for name in record.get("outcomes", {}) if "/" in name}
    timed = [engine for engine in PEERS if values[f"{engine}_s"] is not None]
    best = min(timed, key=lambda engine: float(values[f"{engine}_s"]), default=None)
    of = {"prograd_to_floor": ("prograd", "floor")}
    of |= {"best_peer_to_prograd": (best, "prograd"), "best_peer_to_floor": (best, "floor")} if best else {}
    for ratio in RATIOS:
        name, to = of.get(ratio, ("", ""))
        found = _ratio(record, heads.get(name, ""), to)
        values |= {ratio: found.get("median"), f"{ratio}_iqr": found.get("spread")}
    return values | {"best_peer": heads[best] if best else None}


def headline(record: Record, engine: str) -> str:
    """The contestant that stands for an engine: the way that it picks by itself, else the fastest, else any."""
    ways = [str(name) for name, found in record.get("outcomes", {}).items() if found["engine"] == engine]
    if engine in ways or not ways:
        return engine
    median: Mapping[str, float] = record.get("median", {})
    return min(ways, key=lambda name: median.get(name, float("inf")))


def order(row: Row) -> tuple[Any, ...]:
    """By task and type, then by batch, width and depth, then by whatever else tells rows apart."""
    task, dtype = _place(row["task"], TASKS), _place(row["dtype"], DTYPES)
    sizes = tuple(row[key] or 0 for key in ("width", "batch", "depth", "threads", "seed"))
    return (task, dtype, *sizes, row["config_hash"], row["directory"])


def table(rows: Sequence[Row]) -> Table:
    """The point, prograd / floor, best peer / prograd, and each engine's time with its spread or why it has none."""
    engines = [engine for engine in ENGINES if any(engine in row["engines"] for row in rows)]
    others = [key for key in ("threads", "seed") if len({row[key] for row in rows}) > 1]
    point, results = ["task", "point", *others], ["prograd / floor", "best peer / prograd", *engines, "samples"]
    lines = []
    for row in rows:
        where = [tables.plain(row["task"]), tables.plain(label(row)), *(tables.plain(row[key]) for key in others)]
        if row["status"] != "complete":
            lines.append([*where, *tables.unfinished(tables.STATUS_WORDS[row["status"]], len(results))])
            continue
        ratios = [tables.ratio(row[key], row[f"{key}_iqr"]) for key in ("prograd_to_floor", "best_peer_to_prograd")]
        times = [Cell(cell(row, engine), row[f"{engine}_s"]) for engine in engines]
        lines.append([*where, *ratios, *times, tables.plain(row["samples"])])
    return Table(point, results, lines)


def samples(record: Record) -> dict[str, Sequence[float]]:
    """The times of the way that stands for each engine, and prograd / floor in each round."""
    every = record.get("samples", {})
    found = {engine: every[name] for engine in ENGINES if (name := headline(record, engine)) in every}
    if set(OWN) <= set(found):
        rounds = min(len(found[engine]) for engine in OWN)
        found["prograd / floor"] = paired_ratios(found["prograd"][:rounds], found["floor"][:rounds])
    return found


def label(row: Row) -> str:
    """`depth:width:batch`, with the type where it is not float64."""
    sizes = ":".join(str(row[key]) for key in ("depth", "width", "batch"))
    return sizes if row["dtype"] == "float64" else f"{sizes} {row['dtype']}"


def cell(row: Row, engine: str) -> str:
    """The time with its spread, or in a word or two why there is none."""
    if row[f"{engine}_s"] is not None:
        time, spread = row[f"{engine}_s"], row[f"{engine}_iqr_s"]
        return f"{seconds(time)} ±{50 * spread / time:.0f}%".replace(" ", "\N{NO-BREAK SPACE}", 1)
    what = row[f"{engine}_outcome"]
    if what in {None, NO_SUCH_TASK}:
        return "–"
    return str(row[f"{engine}_note"]) if what == "too slow" else str(what)


def answer(rows: Sequence[Row]) -> str:
    """For each task how far prograd is from the floor and from the best peer, in the middle and where it is worst."""
    sentences = [sentence for task in TASKS if (sentence := _of_task(task, [r for r in rows if r["task"] == task]))]
    absent = {engine for row in rows for engine in ENGINES if row.get(f"{engine}_outcome") == "not installed"}
    if absent:
        sentences.append(f"Not installed: {', '.join(e for e in ENGINES if e in absent)} (the extra peers has them).")
    left = sum(row["status"] != "complete" for row in rows)
    sentences += [f"{left} of {len(rows)} points gave no time: see the table."] if left else []
    return " ".join(sentences) or "No point has times to compare."


def _of_task(task: str, rows: Sequence[Row]) -> str:
    parts = []
    floors = [row for row in rows if row["prograd_to_floor"] is not None]
    if floors:
        worst = max(floors, key=_by("prograd_to_floor"))
        parts.append(
            f"takes {_middle(floors, 'prograd_to_floor')} the time of the bare products in the median, at most "
            f"{factor(worst['prograd_to_floor'])} at {label(worst)} ({_both(worst, 'prograd', 'floor')})"
        )
    peers = [row for row in rows if row["best_peer_to_prograd"] is not None]
    if peers:
        worst = min(peers, key=_by("best_peer_to_prograd"))
        best = str(worst["best_peer"])
        parts.append(
            f"is {_middle(peers, 'best_peer_to_prograd')} as fast as the best peer in the median, at least "
            f"{factor(worst['best_peer_to_prograd'])} at {label(worst)} "
            f"({_both(worst, 'prograd', best.partition('/')[0])}, {best})"
        )
    return f"{TASK_WORDS[task].capitalize()}: prograd {'; it '.join(parts)}." if parts else ""


def _both(row: Mapping[str, Any], one: str, other: str) -> str:
    return f"{seconds(row[f'{one}_s'])} against {seconds(row[f'{other}_s'])}"


def _middle(rows: Sequence[Row], key: str) -> str:
    return factor(median([float(row[key]) for row in rows]))


def _by(key: str) -> Any:
    return lambda row: float(row[key])


def _ratio(record: Record, name: str, to: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = record.get("ratios", {}).get(to, {}).get(name, {})
    return found


def _place(value: Any, among: Sequence[str]) -> int:
    return among.index(value) if value in among else len(among)
