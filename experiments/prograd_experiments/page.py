"""`report.html`: one file with everything in it, readable offline and on a phone."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

import prograd
from prograd_experiments.experiment import Experiment, Row
from prograd_experiments.records import Record, Unreadable

Figures = Sequence[tuple[str, str, bytes]]


def render(
    experiment: Experiment,
    rows: Sequence[Row],
    records: Sequence[Record],
    unreadable: Sequence[Unreadable],
    figures: Figures,
) -> str:
    """The page. `records` are in the order of `rows`; each of `figures` is a heading, a description and a PNG."""
    templates = resources.files("prograd_experiments") / "templates"
    counts = sorted({row["samples"] for row in rows if row.get("samples")})
    return Template((templates / "report.html").read_text("utf-8")).substitute(
        css=(templates / "report.css").read_text("utf-8").rstrip(),
        version=escape(prograd.__version__),
        title=escape(f"{experiment.question} – prograd"),
        experiment=escape(experiment.name),
        question=escape(experiment.question),
        # A number and its unit stay on one line.
        answer=re.sub(r"(?<=\d) (?=[mµn]?s\b)", "&nbsp;", escape(experiment.answer(rows))),
        failures=_failures(rows, records, unreadable),
        pictures="\n".join(_pictures(figures)),
        caption=escape(experiment.caption(_counted(counts))),
        table=_table(experiment.table(rows), rows),
        asked=_asked(records),
        how=escape(experiment.how),
        environment=_environments(records),
        jobs=_several(len(rows), "record"),
    )


def _counted(counts: Sequence[int]) -> str:
    return f" of {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} samples" if counts else ""


def _pictures(figures: Figures) -> Iterator[str]:
    headings = list(dict.fromkeys(heading for heading, _, _ in figures))
    for heading in headings:
        members = [(alt, png) for of, alt, png in figures if of == heading]
        images = "\n".join(
            f'<figure><img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{escape(alt)}"></figure>'
            for alt, png in members
        )
        yield f'<section><h2>{escape(heading)}</h2>\n<div class="pictures">\n{images}\n</div></section>'


def _table(lines: Sequence[Sequence[str]], rows: Sequence[Row]) -> str:
    heading = "".join(f'<th scope="col">{escape(name)}</th>' for name in lines[0])
    body = []
    for number, (line, row) in enumerate(zip(lines[1:], rows, strict=True)):
        begins = ' class="first"' if number > 0 and line[0] != lines[number][0] else ""
        bad = ' class="bad"' if row["status"] != "complete" else ""
        cells = "".join(f"<td{bad}>{escape(text)}</td>" for text in line)
        body.append(f"<tr{begins}>{cells}</tr>")
    lines_of_body = "\n".join(body)
    return f"<table>\n<thead><tr>{heading}</tr></thead>\n<tbody>\n{lines_of_body}\n</tbody>\n</table>"


def _failures(rows: Sequence[Row], records: Sequence[Record], unreadable: Sequence[Unreadable]) -> str:
    items = [
        f"<details><summary><code>{escape(row['directory'])}</code>: {escape(row['error'])}</summary>"
        f"<pre>{escape(record['error']['traceback'])}</pre></details>"
        if record.get("error")
        else f"<p><code>{escape(row['directory'])}</code>: the job did not end; it was killed, or it still runs.</p>"
        for row, record in zip(rows, records, strict=True)
        if row["status"] != "complete"
    ]
    items += [f"<p><code>{escape(str(file.path))}</code>: {escape(file.reason)}</p>" for file in unreadable]
    return f'<section class="alarm"><h2>No result</h2>{"".join(items)}</section>' if items else ""


def _asked(records: Sequence[Record]) -> str:
    """Each key of the configuration with the values that it took."""
    values: dict[str, dict[str, None]] = {}
    for record in records:
        for key, value in sorted(_flat(record["config"])):
            values.setdefault(key, {})[value] = None
    asked = {key: ", ".join(sorted(found, key=_naturally)) for key, found in sorted(values.items())}
    return _pairs(asked, kind="short")


def _environments(records: Sequence[Record]) -> str:
    found: dict[str, int] = {}
    for record in records:
        if "environment" in record:
            text = json.dumps(record["environment"], sort_keys=True)
            found[text] = found.get(text, 0) + 1
    if not found:
        return "<p>No job came far enough to say where it ran.</p>"
    blocks = []
    for text, count in found.items():
        heading = f"<h3>{_several(count, 'job')}</h3>" if len(found) > 1 else ""
        blocks.append(heading + _pairs(_described(json.loads(text))))
    return "\n".join(blocks)


def _described(environment: Mapping[str, Any]) -> dict[str, str]:
    git = environment["git"]
    return {
        "Processor": f"{environment['cpu']}, {_cores(environment)}",
        "BLAS": "; ".join(
            f"{blas['name']} {blas['version']}, kernel {blas['kernel']}, {_several(blas['threads'], 'thread')}"
            for blas in environment["blas"]
        ),
        "System": f"{environment['platform']}, Python {environment['python']}",
        "Packages": ", ".join(f"{name} {version}" for name, version in environment["packages"].items() if version),
        "Plugins": ", ".join(f"{p['name']} ({p['distribution']} {p['version']})" for p in environment["plugins"]),
        "Revision": f"{git['revision']}{', with changes' if git['dirty'] else ''}" if git else "not in a checkout",
    }


def _cores(environment: Mapping[str, Any]) -> str:
    every, available = environment["cores"], environment["cores_available"]
    return f"{every} cores" if available in {None, every} else f"{available} of {every} cores available"


def _pairs(values: Mapping[str, str], kind: str = "long") -> str:
    items = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in values.items())
    return f'<dl class="{kind}">{items}</dl>'


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _written(value)


def _written(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _naturally(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), ""
    except ValueError:
        return True, 0.0, text


def _several(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
