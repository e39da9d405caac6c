"""The blocks of Python and shell in the Markdown files work as shown.

Each document starts in an empty folder. Its files are written first (a block is a file if its first line is a comment
that names one); then its Python runs, then its shell.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name

from prograd.plugins.registry import DISABLE
from tests.helpers import processes
from tests.helpers.distributions import Site, others
from tests.helpers.documents import DOCUMENTS, ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")

FOLLOWED_STEP_BY_STEP = {ROOT / "docs" / "plugins.md"}
"""Documents that mix files, Python and shell; tests/plugins/test_plugin_guide.py runs them in order."""

MADE_BY_MAKE = {". .venv/bin/activate"}
"""Lines that enter the environment that the test already runs in."""

SHELLS_OWN = {"|", ">", ">>", "<", "&&", "||", ";"}


def documents_with(*languages: str) -> list[pytest.ParameterSet]:
    here = [d for d in DOCUMENTS if d not in FOLLOWED_STEP_BY_STEP]
    found = [d for d in here if any(b.language in languages and not b.file for b in blocks(d))]
    return [pytest.param(d, id=str(d.relative_to(ROOT))) for d in found]


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An empty folder that holds the files shown in the document."""
    document = request.getfixturevalue("document")
    for block in blocks(document):
        if block.file:
            with (tmp_path / block.file[1]).open("a" if block.file[2] else "x") as file:
                file.write(block.text)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """The commands of the running environment first, the folder importable, and BLAS on one thread."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    # The plugin of a document counts, even where one of the same name is installed.
    written = {canonicalize_name(found.name) for found in metadata.distributions(path=[str(folder)])}
    disabled = ",".join(others().keys() - written)
    return os.environ | {"PATH": path, "PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1", DISABLE: disabled}


@pytest.mark.starts_processes
@pytest.mark.parametrize("document", documents_with("python"))
def test_python(document: Path, folder: Path) -> None:
    # Each block keeps its line numbers, so that a traceback names the document's lines.
    lines = [""] * document.read_text().count("\n")
    for block in blocks(document):
        if block.language == "python" and not block.file:
            lines[block.line - 1 : block.line - 1 + block.text.count("\n")] = block.text.splitlines()
    script = folder / f"{document.stem}_blocks.py"
    script.write_text("\n".join(lines))

    run([sys.executable, "-W", "error", str(script)], folder)


@pytest.mark.starts_processes
@pytest.mark.parametrize("document", documents_with("sh", "shell", "bash", "console"))
def test_shell(document: Path, folder: Path) -> None:
    for line in commands(document):
        match shlex.split(line, comments=True):
            case ["make", *arguments]:
                # make would set up an environment and run these tests, so it only says what it would do.
                run(["make", "--dry-run", "--directory", str(ROOT), *arguments], folder)
            case ["pip", "install", "."]:
                register(folder)
            case _ if line in MADE_BY_MAKE:
                pass
            case ["prograd" | "prograd-run", *_] as command if not SHELLS_OWN & set(command):
                done = processes.run(command, folder, environment(folder))
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            case _:
                run(["bash", "-euc", line], folder)


def commands(document: Path) -> Iterator[str]:
    for block in blocks(document):
        if block.language in {"sh", "shell", "bash"}:
            yield from (line for line in block.text.replace("\\\n", " ").splitlines() if line.strip())
        if block.language == "console":
            yield from (line[2:] for line in block.text.splitlines() if line.startswith("$ "))


def register(folder: Path) -> None:
    """Write the metadata and entry points that `pip install .` would install, without building anything."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    points = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in project["entry-points"].items()
    )
    Site(folder).install(project["name"], "\n".join(points), version=project["version"])


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=environment(folder), check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"


def test_readme_is_among_the_documents_run() -> None:
    readme = ROOT / "README.md"
    assert {block.language for block in blocks(readme)} >= {"python", "sh"}


def test_the_readme_leads_to_every_page() -> None:
    pages = {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")}
    sites_own = {f"docs/{name}.md" for name in ("index", "guide", "development", "contributing", "changelog")}
    assert pages - sites_own - set(LINK.findall((ROOT / "README.md").read_text())) == set()


@pytest.mark.parametrize("document", [pytest.param(d, id=str(d.relative_to(ROOT))) for d in DOCUMENTS])
def test_links_lead_somewhere(document: Path) -> None:
    targets = [target for target in LINK.findall(document.read_text()) if not target.startswith("https://")]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.starts_processes
@pytest.mark.parametrize(
    "target", sorted({t for d in DOCUMENTS for t in re.findall(r"`make ([a-z-]+)", d.read_text())})
)
def test_every_make_target_named_in_a_document_exists(target: str, tmp_path: Path) -> None:
    run(["make", "--dry-run", "--directory", str(ROOT), target], tmp_path)
