"""The peers: what can be set, and what the rows, the table and the answer say of a point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

from prograd.tape import machine
from prograd.units import factor, seconds
from prograd_benchmarks.timing import LEAST_TIMINGS, paired_ratios
from prograd_experiments import config as read
from prograd_experiments import timed
from prograd_experiments.charts import Picture
from prograd_experiments.config import Config
from prograd_experiments.environment import machine_text
from prograd_experiments.experiment import Experiment, Progress, Results
from prograd_experiments.peers.compare import NO_SUCH_TASK
from prograd_experiments.peers.crew import crew
from prograd_experiments.peers.engines import ENGINES
from prograd_experiments.peers.engines.base import TASKS
from prograd_experiments.peers.measure import OWN, PEERS, max_bytes, measure
from prograd_experiments.peers.pictures import pictures
from prograd_experiments.peers.workload import DTYPES, SIZES, TASK_WORDS, Workload, label
from prograd_experiments.records import Record
from prograd_experiments.rows import (
    NOTHING,
    Cell,
    Column,
    Row,
    at,
    half_width,
    is_unsteady,
    marked,
    ratio,
    setting,
    without_result,
)

SECONDS = ("sample_seconds", "rest_seconds", "engine_seconds", "limit_seconds", "prepare_seconds")
KEYS = (
    *("experiment", "point", "task", *SIZES, "dtype", "seed", "threads", "machine"),
    *("engines", "repeats", *SECONDS, "memory_gib"),
)


class Peers(Experiment):
    """prograd against other engines and against the matrix products alone."""

    name = "peers"
    data = "digits"
    question = "How fast is prograd compared with its peers, and with the matrix products alone?"
    timed = "one call"
    how = (
        "Every engine runs in a process of its own, gets the same arrays, and has the same number of threads. At each "
        "point, a task on a square tanh network, each engine's result is first compared with a hand-written one in "
        "float64, and an engine with a wrong result is not timed. Then the engines take turns, round by round, in "
        "reverse order in every second round: a timing repeats the call until it lasts long enough for the clock. "
        "Neither compilation nor conversion is timed: inputs and results have the engine's own type, and a call ends "
        "when its result is complete. Times are medians, the spread is the interquartile range, and each ratio is the "
        "median of the ratios within the rounds. The floor is only the matrix products that the task needs, written "
        "into preallocated arrays: three for each layer and two for the first in a gradient. An engine that takes too "
        "long for a point, or too much memory, is stopped, and the table says so."
    )
    sorted_by = ("width", "batch", "depth", "threads", "machine", "seed")

    unused = MappingProxyType(
        {
            "activation": "tanh",
            "modes": ["forward", "reverse"],
            "network": {"name": "mlp", "layer": None, "final": None},
            "data": {"name": "digits"},
            "loss": {"name": "default"},
        }
    )

    def check(self, config: Config) -> Config:
        """The configuration with its point written out key by key."""
        read.unused(config, self.name, self.unused, {})
        read.known_keys(config, (*KEYS, *self.unused))
        read.several(config, "engines", tuple(ENGINES))
        config = timed.with_machine(config)
        read.integer(config, "threads", 1)
        read.integer(config, "seed", 0)
        read.integer(config, "repeats", LEAST_TIMINGS)
        for key in (*SECONDS, "memory_gib"):
            read.positive(config, key)
        own = {key: value for key, value in config.items() if key in KEYS and key != "point"}
        return own | Workload.of(config).as_config()

    def predicted_seconds(self, config: Config) -> float:
        """The time of engines whose calls are short; a slow one takes up to its limits."""
        rounds = config["repeats"] * (config["sample_seconds"] + config["rest_seconds"])
        before = 2 * (config["sample_seconds"] + config["rest_seconds"])
        return float(len(config["engines"]) * (before + min(rounds, config["engine_seconds"])))

    def measure(self, config: Config, directory: Path, *, force: bool, progress: Progress) -> Results:
        with timed.conditions(config):
            return measure(config, crew(config["threads"], max_bytes(config), machine.current()))

    def specification(self, records: Sequence[Record]) -> list[Column]:
        asked = {engine for record in records for engine in record["config"].get("engines", ())}
        ways = sorted({name for record in records for name in record.get("outcomes", {}) if "/" in name})
        headings = {"prograd_to_floor": "prograd / floor", "best_peer_to_prograd": "best peer / prograd"}
        ratios = ("prograd_to_floor", "best_peer_to_prograd", "best_peer_to_floor")
        return [
            setting("task", "always"),
            Column("point", lambda record: label(record["config"]), point="always", csv="never"),
            *(Column(key, at(f"config.{key}"), of=(key,)) for key in ("depth", "width", "batch", "dtype")),
            setting("threads"),
            setting("machine", "always", read=_machine),
            setting("seed"),
            *(Column(key, at(f"{key}.median"), headings.get(key, ""), ratio(key, f"{key}_iqr")) for key in ratios),
            *(Column(f"{name}_s", _of(name, "s"), name if name in asked else "", _time(name)) for name in ENGINES),
            *(Column(f"{name}_iqr_s", _of(name, "iqr_s")) for name in ENGINES),
            *(Column(f"{name}_outcome", _of(name, "outcome")) for name in ENGINES),
            Column("best_peer", at("best_peer")),
            *(Column(f"{key}_iqr", at(f"{key}.spread")) for key in ratios),
            *(
                Column(f"{name}_to_{to}", _of(name, f"to_{to}"), csv="" if to == "floor" and name in PEERS else "never")
                for name in ENGINES
                for to in OWN
            ),
            *(Column(f"{name.replace('/', '_')}_s", _way(name), csv="last") for name in ways),
            *(
                Column(f"{name}_{what}", _of(name, what), csv="never", merge=_first)
                for name in ENGINES
                for what in _TOLD
            ),
            *(
                Column(
                    f"{name}_to_{to}_quartiles", _of(name, f"to_{to}_quartiles"), csv="never", ends=f"{name}_to_{to}"
                )
                for name in ENGINES
                for to in OWN
            ),
            Column("timings", _most_timings, "timings", csv="never", merge=timed.least),
        ]

    def derived(self, record: Record) -> Mapping[str, Any]:
        """Each engine by the way that stands for it, the best peer, and the ratios of prograd and of that peer."""
        heads = {engine: headline(record, engine) for engine in ENGINES}
        medians = record.get("median", {})
        timed = [engine for engine in PEERS if heads[engine] in medians]
        best = min(timed, key=lambda engine: float(medians[heads[engine]]), default=None)
        found: dict[str, Any] = {"engine": {engine: _engine(record, name) for engine, name in heads.items()}}
        found["prograd_to_floor"] = _ratio(record, heads["prograd"], "floor")
        if best:
            found |= {f"best_peer_to_{to}": _ratio(record, heads[best], to) for to in OWN} | {"best_peer": heads[best]}
        return found

    def compared(self, record: Record) -> Mapping[str, Sequence[float]]:
        """The timings of the way that stands for each engine, and prograd / floor in each round."""
        every = record.get("timings", {})
        found = {engine: every[name] for engine in ENGINES if (name := headline(record, engine)) in every}
        if set(OWN) <= set(found):
            rounds = min(len(found[engine]) for engine in OWN)
            found["prograd / floor"] = paired_ratios(found["prograd"][:rounds], found["floor"][:rounds])
        return found

    def order(self, row: Row) -> tuple[Any, ...]:
        """By task and type, then by size, then by whatever else tells rows apart."""
        return (_place(row["task"], TASKS), _place(row["dtype"], DTYPES), *super().order(row))

    def answer(self, rows: Sequence[Row]) -> str:
        """For each task: prograd over the floor and over the best peer, in the median and at worst."""
        tasks = {task: [row for row in rows if row["task"] == task] for task in TASKS}
        sentences = [sentence for task, members in tasks.items() if (sentence := _of_task(task, members))]
        absent = {engine for row in rows for engine in PEERS if row[f"{engine}_outcome"] == "not installed"}
        if absent:
            sentences.append(f"Not installed: {', '.join(e for e in PEERS if e in absent)} (the extra peers has them).")
        sentences += [left.strip()] if (left := without_result(rows)) else []
        return " ".join(sentences) or "No point has times to compare."

    def pictures(self, rows: Sequence[Row]) -> list[Picture]:
        return pictures(rows)


_TOLD = ("note", "timings", "way")


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def headline(record: Record, engine: str) -> str:
    """The contestant that stands for an engine: the way that it picks by itself, else its fastest, else any."""
    ways = [str(name) for name, found in record.get("outcomes", {}).items() if found["engine"] == engine]
    if engine in ways or not ways:
        return engine
    medians: Mapping[str, float] = record.get("median", {})
    return min(ways, key=lambda name: medians.get(name, float("inf")))


def _machine(record: Record) -> str | None:
    return machine_text(record.get("environment", {})) or record["config"].get("machine")


def _engine(record: Record, name: str) -> dict[str, Any]:
    outcome = record.get("outcomes", {}).get(name, {})
    facts = {
        "s": record.get("median", {}).get(name),
        "iqr_s": record.get("spread", {}).get(name),
        "outcome": outcome.get("outcome"),
        "note": outcome.get("note"),
        "timings": len(record.get("timings", {}).get(name, ())),
        "way": name.partition("/")[2],
    }
    for to in OWN:
        found = _ratio(record, name, to)
        facts |= {f"to_{to}": found.get("median"), f"to_{to}_quartiles": found.get("quartiles")}
    return facts


def _ratio(record: Record, name: str, to: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = record.get("ratios", {}).get(to, {}).get(name, {})
    return found


def _of(engine: str, what: str) -> Callable[[Record], Any]:
    return at(f"engine.{engine}.{what}")


def _way(name: str) -> Callable[[Record], Any]:
    return lambda record: record.get("median", {}).get(name)


def _most_timings(record: Record) -> int | None:
    return max(map(len, record.get("timings", {}).values()), default=None)


def _time(engine: str) -> Callable[[Row], Cell]:
    """Writes the time with its spread in percent, or in a word or two why there is none."""

    def write(row: Row) -> Cell:
        time, outcome = row[f"{engine}_s"], row[f"{engine}_outcome"]
        if time is not None:
            text = f"{seconds(time)} ±{100 * (half_width(row, f'{engine}_s', f'{engine}_iqr_s') or 0) / time:.0f}%"
            mark = marked(row, f"{engine}_s", f"{engine}_iqr_s")
            return Cell(text.replace(" ", "\N{NO-BREAK SPACE}", 1) + mark, time)
        if outcome in {None, NO_SUCH_TASK}:
            return Cell(NOTHING)
        return Cell(str(row[f"{engine}_note"]) if outcome == "too slow" else str(outcome))

    return write


def _of_task(task: str, rows: Sequence[Row]) -> str:
    parts = []
    floors = _steady(rows, "prograd_to_floor")
    if floors:
        worst = max(floors, key=lambda row: float(row["prograd_to_floor"]))
        parts.append(
            f"takes {_median(floors, 'prograd_to_floor')} the time of the bare products in the median, at most "
            f"{factor(worst['prograd_to_floor'])} at {label(worst)} ({_both(worst, 'prograd', 'floor')})"
        )
    peers = _steady(rows, "best_peer_to_prograd")
    if peers:
        worst = min(peers, key=lambda row: float(row["best_peer_to_prograd"]))
        best = str(worst["best_peer"])
        parts.append(
            f"is {_median(peers, 'best_peer_to_prograd')} as fast as the best peer in the median, at least "
            f"{factor(worst['best_peer_to_prograd'])} at {label(worst)} "
            f"({_both(worst, 'prograd', best.partition('/')[0])}, {best})"
        )
    return f"{TASK_WORDS[task].capitalize()}: prograd {'; it '.join(parts)}." if parts else ""


def _steady(rows: Sequence[Row], key: str) -> list[Row]:
    """The rows with a ratio that can be judged."""
    return [row for row in rows if row[key] is not None and not is_unsteady(row, key, f"{key}_iqr")]


def _both(row: Row, one: str, other: str) -> str:
    return f"{seconds(row[f'{one}_s'])} against {seconds(row[f'{other}_s'])}"


def _median(rows: Sequence[Row], key: str) -> str:
    return factor(median([float(row[key]) for row in rows]))


def _place(value: Any, among: Sequence[str]) -> int:
    return among.index(value) if value in among else len(among)
