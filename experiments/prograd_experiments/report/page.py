"""The page: what was found, in words, pictures and a table; what differs between sweeps; how and where it was made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from string import Template

import prograd
from prograd_experiments.charts import Picture, markup, palette
from prograd_experiments.gather import Gathered
from prograd_experiments.report import facts
from prograd_experiments.report.compare import Comparison, compare
from prograd_experiments.report.facts import Fact
from prograd_experiments.report.grid import grid
from prograd_experiments.tables import STATUS_WORDS

NAME = "report.html"
POINTING = (
    "Point at a value to read it with its spread and its number of samples. By keyboard: Tab leads to a picture, the "
    "arrow keys lead through its values, Escape closes what is shown."
)
OVER = (
    "A ratio such as B / A is the median of the ratios of every sample in B to every sample in A, ± half their "
    "interquartile range: the two were not taken in turns, so what changed on the machine between them is in it."
)


def render(sweeps: Sequence[Gathered]) -> str:
    """The page of one sweep, or of several beside each other. Raises `RecordError` for sweeps that don't compare."""
    comparison = compare(sweeps)
    experiment, several = comparison.experiment, len(sweeps) > 1
    counts = sorted({row["samples"] for sweep in sweeps for row in sweep.rows if row.get("samples")})
    counted = f" of {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} samples" if counts else ""
    templates = resources.files("prograd_experiments") / "templates"
    asked = facts.asked([sweep.records for sweep in sweeps])
    where = facts.surroundings([sweep.records for sweep in sweeps])
    return Template((templates / "report.html").read_text("utf-8")).substitute(
        css=palette.css() + (templates / "report.css").read_text("utf-8").rstrip(),
        script=(templates / "report.js").read_text("utf-8").rstrip(),
        version=escape(prograd.__version__),
        title=escape(f"{experiment.question} – prograd"),
        experiment=escape(experiment.name),
        question=escape(experiment.question),
        answer="" if several else f'<p class="answer">{_answer(sweeps[0])}</p>',
        sweeps=_sweeps(comparison) + _differences(comparison, [*asked, *where]) if several else "",
        failures=_failures(comparison),
        pictures="\n".join(_pictures(comparison)),
        caption=escape(" ".join(filter(None, (experiment.caption(counted), OVER if several else "")))),
        table=grid(comparison, "All points: choose a heading to sort by it."),
        asked=_facts(comparison, asked, "Each key of the configuration, with the values that it took"),
        how=escape(experiment.how),
        environment=_facts(comparison, where, "Machine, threads, versions and revision"),
        jobs=_several(sum(len(sweep.rows) for sweep in sweeps), "record"),
    )


def standing(sweep: Gathered) -> str:
    """`12 points: 10 complete, 2 failed`, and files that are no records."""
    found = [row["status"] for row in sweep.rows]
    words = {"complete": "complete", **STATUS_WORDS}
    parts = [f"{found.count(status)} {word}" for status, word in words.items() if status in found]
    parts += [f"{_several(len(sweep.unreadable), 'file')} that can't be read"] if sweep.unreadable else []
    return f"{_several(len(found), 'point')}: {', '.join(parts)}"


def _answer(sweep: Gathered) -> str:
    # A number and its unit stay on one line.
    return re.sub(r"(?<=\d) (?=[mµn]?s\b)", "&nbsp;", escape(sweep.experiment.answer(sweep.rows)))


def _sweeps(comparison: Comparison) -> str:
    items = "".join(
        f"<dt>{escape(comparison.label(number))}</dt><dd>{escape(standing(sweep))}. {_answer(sweep)}</dd>"
        for number, sweep in enumerate(comparison.sweeps)
    )
    ratios = "".join(
        f"<h3>{escape(of.over)}</h3>\n<ul>{''.join(f'<li>{escape(text)}</li>' for text in of.summed_up())}</ul>"
        if of.summed_up()
        else f"<h3>{escape(of.over)}</h3>\n<p>No point has results in both.</p>"
        for of in comparison.ratios
    )
    return _section("sweeps", "The sweeps, and how they compare", f'<dl class="long">{items}</dl>\n{ratios}')


def _differences(comparison: Comparison, every: Sequence[Fact]) -> str:
    different = [fact for fact in every if fact.differs]
    inside = (
        _facts(comparison, different, "What is not the same in every sweep")
        if different
        else "<p>Nothing: the same configurations, on the same machine, by the same code.</p>"
    )
    return _section("differences", "What differs between the sweeps", inside)


def _facts(comparison: Comparison, shown: Sequence[Fact], caption: str) -> str:
    several = len(comparison.sweeps) > 1
    if not shown:
        return "<p>No job came far enough to say.</p>"
    names = [comparison.label(number) for number in range(len(comparison.sweeps))] if several else ["value"]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *names))
    body = "\n".join(
        f"<tr{_mark(fact)}><th scope='row'>{escape(fact.name)}</th>"
        f"{''.join(f'<td>{escape(text)}</td>' for text in fact.texts)}</tr>"
        for fact in shown
    )
    table = (
        f'<table class="facts"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    )
    return _scrolling(table, caption)


def _mark(fact: Fact) -> str:
    return " class='differs'" if fact.differs else ""


def _failures(comparison: Comparison) -> str:
    items = []
    for number, sweep in enumerate(comparison.sweeps):
        which = f"{comparison.letters[number]}: " if len(comparison.sweeps) > 1 else ""
        for row, record in zip(sweep.rows, sweep.records, strict=True):
            if row["status"] == "complete":
                continue
            name = f"{escape(which)}<code>{escape(row['directory'])}</code>"
            items.append(
                f"<details><summary>{name}: {escape(row['error'])}</summary>"
                f'<pre tabindex="0">{escape(record["error"]["traceback"])}</pre></details>'
                if record.get("error")
                else f"<p>{name}: the job did not end; it was killed, or it still runs.</p>"
            )
        for file in sweep.unreadable:
            path = file.path.relative_to(sweep.directory).as_posix()
            items.append(f"<p>{escape(which)}<code>{escape(path)}</code>: {escape(file.reason)}</p>")
    return _section("failures", "No result", "".join(items), ' class="alarm"') if items else ""


def _pictures(comparison: Comparison) -> Iterator[str]:
    every = [sweep.experiment.pictures(sweep.rows) for sweep in comparison.sweeps]
    settings = [list(dict.fromkeys(picture.heading for picture in pictures)) for pictures in every]
    # Sweeps of one setting each stand beside each other even where the setting is what differs.
    alone = len(every) > 1 and all(len(of) == 1 for of in settings)
    rows: list[list[str]] = [[of[0] for of in settings]] if alone else []
    rows = rows or [[heading] * len(every) for heading in dict.fromkeys(heading for of in settings for heading in of)]
    for number, headings in enumerate(rows):
        heading = _merged(headings)
        members = [
            [picture for picture in pictures if picture.heading == own]
            for pictures, own in zip(every, headings, strict=True)
        ]
        titles = dict.fromkeys(picture.title for pictures in members for picture in pictures)
        figures = "\n".join(_beside(comparison, title, members) for title in titles)
        hint = f"<p>{POINTING}</p>\n" if number == 0 else ""
        yield _section(f"pictures-{number + 1}", heading, f'{hint}<div class="pictures">\n{figures}\n</div>')


def _merged(headings: Sequence[str]) -> str:
    """`a, 1 thread` and `a, 2 threads` -> `a, 1 thread | 2 threads`."""
    parts = [heading.split(", ") for heading in headings]
    if len(set(map(len, parts))) > 1:
        return " | ".join(headings)
    return ", ".join(" | ".join(dict.fromkeys(part)) for part in zip(*parts, strict=True))


def _beside(comparison: Comparison, title: str, members: Sequence[Sequence[Picture]]) -> str:
    found = [(n, picture) for n, pictures in enumerate(members) for picture in pictures if picture.title == title]
    every = [picture for pictures in members for picture in pictures]
    figures = []
    for number, picture in found:
        which = f"<br>{escape(comparison.label(number))}" if len(members) > 1 else ""
        drawn = markup.draw(picture, every)
        figures.append(f"<figure>\n<figcaption>{escape(title)}{which}</figcaption>\n{drawn}\n</figure>")
    inside = "\n".join(figures)
    return f'<div class="beside">\n{inside}\n</div>' if len(members) > 1 else inside


def _section(name: str, heading: str, inside: str, attributes: str = "") -> str:
    return (
        f'<section{attributes} aria-labelledby="{name}">\n<h2 id="{name}" tabindex="-1">{escape(heading)}</h2>\n'
        f"{inside}\n</section>"
    )


def _scrolling(table: str, name: str) -> str:
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">\n{table}\n</div>'


def _several(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
