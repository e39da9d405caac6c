"""asv's pages work offline: those of a tiny suite are published and opened in a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from click.testing import CliRunner

from prograd_benchmarks import site
from tests.helpers.browser import PROGRAM, browser

SUITE = """
from pathlib import Path

class Gap:
    params, param_names, unit = [[2, 4], [16, 64]], ["depth", "width"], "ratio"

    def track_reverse_over_forward(self, depth, width):
        factor = float((Path(__file__).parent.parent / "factor").read_text())
        return {"samples": [factor * k / depth / width for k in (0.9, 1.0, 1.1)], "number": 1}
"""
CONFIG = {"version": 1, "project": "prograd", "repo": ".", "dvcs": "git", "branches": ["HEAD"]}
MACHINE = {"machine": "here", "arch": "x86_64", "cpu": "", "num_cpu": "2", "os": "Linux", "ram": "1"}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """What asv publishes of two commits."""
    home = tmp_path_factory.mktemp("asv")
    (home / "benchmarks").mkdir()
    (home / "benchmarks" / "__init__.py").touch()
    (home / "benchmarks" / "gap.py").write_text(SUITE)
    (home / "asv.conf.json").write_text(json.dumps(CONFIG | {"environment_type": "virtualenv"}))
    (home / ".asv-machine.json").write_text(json.dumps({"version": 1, "here": MACHINE}))
    who = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def run(*command):
        environment = os.environ | {"HOME": str(home)} | who
        done = subprocess.run(command, cwd=home, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    asv = (sys.executable, "-m", "asv")
    run("git", "init", "-q", ".")
    for revisions, factor in enumerate(("1.0", "1.5"), 1):
        (home / "factor").write_text(factor)
        run("git", "add", "-A")
        run("git", "commit", "-q", "-m", factor)
        commit = run("git", "rev-parse", "HEAD")
        run(*asv, "run", "--python=same", "--machine=here", f"--set-commit-hash={commit}")
        run(*asv, "publish")
        site.offline(home / "html")
        (home / str(revisions)).write_text((home / "html/index.html").read_text())
    return home / "html"


@pytest.mark.starts_processes
def test_nothing_is_loaded_from_the_web(published):
    assert not site.REMOTE.search((published / "index.html").read_text())
    assert site.offline(published) == []  # a second time there is nothing to do


@pytest.mark.starts_processes
def test_one_revision_makes_no_line_and_the_page_says_so(published):
    one, two = ((published.parent / number).read_text() for number in "12")
    assert "Lines begin with the second" in one
    assert "Lines begin" not in two
    assert site.revisions(published) == 2


@pytest.mark.starts_processes
@pytest.mark.skipif(PROGRAM is None, reason="needs Chromium (Debian's package chromium)")
def test_the_graph_of_the_gap_is_drawn(published, tmp_path):
    handler = partial(QuietHandler, directory=published)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, browser(tmp_path) as page:
        Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}/"
        page.open(f"{here}#gap.Gap.track_reverse_over_forward?x-axis=commit", 1200)
        page.wait("document.querySelector('.flot-overlay')")
        assert page.ask("document.querySelectorAll('.legendLabel').length") == 4  # depth 2, 4 × width 16, 64
        assert {"2", "16", "gap.Gap.track_reverse_over_forward"} <= set(page.ask("document.body.innerText").split())
        drawn = "document.querySelector('.flot-base').getContext('2d').getImageData(0, 0, 900, 600).data.some(x => x)"
        assert page.ask(drawn)

        page.open(f"{here}#/summarylist", 1200)
        rows = "document.querySelectorAll('#summarylist-body tbody tr')"
        page.wait(f"{rows}.length == 4")
        value = f"[...{rows}].map(row => parseFloat(row.children[1].innerText))"
        for order in (sorted, lambda values: sorted(values, reverse=True)):
            page.point("#summarylist-body thead th:nth-child(2)", click=True)
            assert page.ask(value) == order(page.ask(value))
        assert page.complaints == []
        assert all(url.startswith(here) for url in page.requests)
        server.shutdown()


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ('<script src="https://cdn.example/chart.js"></script>', r"got https://cdn\.example/chart\.js"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', r"got //cdn\.example/x\.css"),
    ],
)
def test_an_unknown_address_is_named_and_nothing_written(tag, message, tmp_path):
    (tmp_path / "index.html").write_text(tag)
    with pytest.raises(site.SiteError, match=message):
        site.offline(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    def said(*arguments):
        done = CliRunner().invoke(site.main, arguments)
        assert done.exit_code == 2
        return done.output

    assert "Missing argument 'HTML'" in said()
    assert "expected the page of `asv publish`" in said(str(tmp_path))
    monkeypatch.setitem(site.PACKAGED, "bootstrap.min.js", ("js.nowhere", "bootstrap.min.js"))
    (tmp_path / "index.html").write_text('<script src="https://cdn.example/bootstrap.min.js"></script>')
    assert "js.nowhere: expected it installed, got no such package; pip install 'prograd[bench]'" in said(str(tmp_path))


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
