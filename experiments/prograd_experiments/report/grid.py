"""The table of all points as HTML: sortable by its script; ratios to the first sweep, then the sweeps side by side."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from prograd_experiments.report.compare import Comparison
from prograd_experiments.tables import NO_VALUE, Cell

ABSENT = Cell("no job")


def grid(comparison: Comparison, caption: str) -> str:
    """A line for each point: the ratios to the first sweep, where there are several, and each sweep's results."""
    body = "\n".join(_body(comparison))
    return (
        f'<table class="sortable grouped">\n<caption>{escape(caption)}</caption>\n'
        f"<thead>{_head(comparison)}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )


def _head(comparison: Comparison) -> str:
    table, several = comparison.tables[0], len(comparison.sweeps) > 1
    deep = ' rowspan="2"' if several else ""
    point = "".join(f'<th scope="col"{deep} data-column>{escape(name)}</th>' for name in table.point)
    results = "".join(f'<th scope="col" data-column>{escape(name)}</th>' for name in table.results)
    if not several:
        return f"<tr>{point}{results}</tr>"
    groups = [(ratios.over, len(ratios.names)) for ratios in comparison.ratios if ratios.names]
    groups += [(comparison.label(number), len(table.results)) for number in range(len(comparison.sweeps))]
    above = "".join(f'<th scope="colgroup" colspan="{width}">{escape(name)}</th>' for name, width in groups)
    ratios = "".join(
        f'<th scope="col" data-column>{escape(f"{name} {of.over}")}</th>'
        for of in comparison.ratios
        for name in of.names
    )
    return f"<tr>{point}{above}</tr>\n<tr>{ratios}{results * len(comparison.sweeps)}</tr>"


def _body(comparison: Comparison) -> Iterator[str]:
    before = None
    width = len(comparison.tables[0].point)
    for number, line in enumerate(comparison.lines):
        present = [
            table.lines[place] for table, place in zip(comparison.tables, line, strict=True) if place is not None
        ]
        first, *others = present
        point = [_joined([cells[column] for cells in present]) if others else first[column] for column in range(width)]
        cells = [f'<th scope="row"{_value(point[0])}>{escape(point[0].text)}</th>', *map(_cell, point[1:])]
        cells += [_cell(cell) for ratios in comparison.ratios for cell in ratios.cells[number]]
        for sweep, table, place in zip(comparison.sweeps, comparison.tables, line, strict=True):
            if place is None:
                cells += [_cell(cell) for cell in [ABSENT, *[NO_VALUE] * (len(table.results) - 1)]]
                continue
            bad = ' class="bad"' if sweep.rows[place]["status"] != "complete" else ""
            cells += [_cell(cell, bad) for cell in table.lines[place][width:]]
        begins = ' class="first"' if before is not None and before != point[0].text else ""
        before = point[0].text
        yield f"<tr{begins}>{''.join(cells)}</tr>"


def _joined(cells: list[Cell]) -> Cell:
    """What sweeps that differ as a whole have here, in their order."""
    texts = list(dict.fromkeys(cell.text for cell in cells))
    return cells[0] if len(texts) == 1 else Cell(" | ".join(texts), cells[0].value)


def _cell(cell: Cell, attributes: str = "") -> str:
    return f"<td{attributes}{_value(cell)}>{escape(cell.text)}</td>"


def _value(cell: Cell) -> str:
    """What the cell is sorted by, where its text does not say it."""
    if cell.value is None:
        return ' data-v=""'
    text = f"{cell.value:.7g}" if isinstance(cell.value, float) else str(cell.value)
    return "" if text == cell.text else f' data-v="{escape(text)}"'
