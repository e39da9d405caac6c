"""asv's pages without a network: `python -m prograd_benchmarks.site .asv/html` after `asv publish`.

asv's page loads jQuery, flot, Bootstrap and some smaller scripts from the web, and shows an error without them. This
module replaces them by copies: from packages of the extra `bench`, or, for the smallest scripts, from `web/`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from importlib import metadata, resources
from pathlib import Path

import click

from prograd.commands.consoles import write_anything

FOLDER = "vendor"
REMOTE = re.compile(
    r"""<(?P<kind>script|link)\b[^>]*?\b(?:src|href)=(?P<quote>["'])(?P<url>(?:https?:)?//[^"']+)(?P=quote)[^>]*>"""
)
PACKAGED = {
    "jquery-*.min.js": ("js.jquery", "jquery-*[0-9].min.js"),
    "jquery.flot.min.js": ("js.jquery_flot", "jquery.flot.min.js"),
    "jquery.flot.time.min.js": ("js.jquery_flot", "jquery.flot.time.min.js"),
    "jquery.flot.selection.min.js": ("js.jquery_flot", "jquery.flot.selection.min.js"),
    "jquery.flot.categories.min.js": ("js.jquery_flot", "jquery.flot.categories.min.js"),
    "bootstrap.min.js": ("js.bootstrap", "bootstrap.min.js"),
    "bootstrap.min.css": ("js.bootstrap", "bootstrap.min.css"),
}
"""The name of a file that asv's page loads -> the distribution that has it, and its name there."""
OWN = ("stupidtable.min.js", "md5.min.js", "jquery.flot.orderBars.js")
FONTS = ("js.bootstrap", "glyphicons-halflings-regular.*")
ONE = "One revision is measured, so graphs show points. Lines begin with the second: asv run --skip-existing REVISIONS"
NOTICE = f'<p id="one-revision" style="position: fixed; bottom: 0; right: 1em; z-index: 1000">{ONE}</p>'


class SiteError(click.ClickException):
    """A page that can't be made to work without a network; the message says what is missing."""

    exit_code = 2


def offline(html: Path) -> list[str]:
    """Rewrites `index.html` in `html` to load nothing from the web; returns the replaced addresses.

    A page of a single revision says that lines begin with the second.

    Raises `SiteError`, and writes nothing, if there is no page, if no known package has one of the files, or if that
    package is not installed.
    """
    index = html / "index.html"
    if not index.is_file():
        raise SiteError(f"{index}: expected the page of `asv publish`, got no file")
    text = index.read_text(encoding="utf-8")
    addresses = [found["url"] for found in REMOTE.finditer(text)]
    sources = {address: _source(address) for address in addresses}
    fonts = _files(*FONTS)
    for folder, files in ((FOLDER, sources.values()), ("fonts", fonts)):  # where Bootstrap looks for its fonts
        (html / folder).mkdir(exist_ok=True)
        for source in files:
            shutil.copyfile(source, html / folder / source.name)
    text = REMOTE.sub(_local(sources), text)
    if revisions(html) == 1 and NOTICE not in text:
        text = text.replace("</body>", f"{NOTICE}</body>")
    index.write_text(text, encoding="utf-8")
    return addresses


def revisions(html: Path) -> int:
    """How many revisions the graphs have points of."""
    graphs = (json.loads(path.read_text("utf-8")) for path in (html / "graphs" / "summary").rglob("*.json"))
    return len({point[0] for graph in graphs for point in graph})


def _local(sources: dict[str, Path]) -> Callable[[re.Match[str]], str]:
    def tag(found: re.Match[str]) -> str:
        path = f"{FOLDER}/{sources[found['url']].name}"
        if found["kind"] == "script":
            return f'<script src="{path}" onerror="js_load_failure()">'
        return f'<link rel="stylesheet" href="{path}">'

    return tag


def _source(address: str) -> Path:
    name = address.rsplit("/", 1)[-1]
    if name in OWN:
        return Path(str(resources.files("prograd_benchmarks") / "web" / name))
    for pattern, (distribution, file) in PACKAGED.items():
        if fnmatch(name, pattern):
            return _files(distribution, file)[0]
    raise SiteError(
        f"asv's page: expected only {', '.join((*PACKAGED, *OWN))}, got {address}; add its package to {__name__}"
    )


def _files(distribution: str, pattern: str) -> list[Path]:
    try:
        listed = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        raise SiteError(
            f"{distribution}: expected it installed, got no such package; pip install 'prograd[bench]'"
        ) from None
    found = [Path(str(file.locate())) for file in listed if fnmatch(file.name, pattern)]
    if not found:
        raise SiteError(f"{distribution} {metadata.version(distribution)}: expected a file {pattern}, got none")
    return found


@click.command()
@click.argument("html", type=click.Path(path_type=Path))
def main(html: Path) -> None:
    """Make the pages of `asv publish` in HTML load nothing from the web. Exit code 0: done; 2: not possible."""
    write_anything()
    replaced = offline(html)
    if revisions(html) == 1:
        click.echo(f"{ONE}.")
    click.echo(f"{len(replaced)} scripts and styles now come from {html / FOLDER}. To look at the page:")
    click.echo(f"  python -m http.server --directory {html} 8000    # http://localhost:8000")


if __name__ == "__main__":
    main()
