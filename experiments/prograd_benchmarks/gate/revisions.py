"""What the gate asks git: commits, what their messages accept, and the work tree as a commit."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from prograd_benchmarks.gate import decision

CUT = "history is cut; `git fetch --unshallow` brings the rest"
_IDENTITY = ("-c", "user.name=prograd", "-c", "user.email=prograd@localhost")


class CannotDecideError(Exception):
    """There is nothing to compare; the message says why."""


def commit_of(root: Path, revision: str) -> str:
    """The full hash of a revision. Raises `CannotDecideError` if the repository does not have it."""
    if shutil.which("git") is None:
        raise CannotDecideError("git: expected it installed, got no such program")
    if _git(root, "rev-parse", "--git-dir").returncode:
        raise CannotDecideError(f"{root}: expected a git repository, got a folder outside of any; `git init` makes one")
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        hint = f"; this clone is shallow and its {CUT}" if _ends(root) else ""
        raise CannotDecideError(f"{root}: expected a branch, a tag or a commit, got {revision!r}, which is none{hint}")
    return found.stdout.strip()


def accepted(root: Path, base: str, head: str) -> list[str]:
    """The benchmarks that commits of `head` outside `base` accept in their messages.

    Raises `CannotDecideError` if the clone lacks some of these commits: what they accept is not known.
    """
    if _ends(root).intersection(_git(root, "rev-list", f"{base}..{head}").stdout.split()):
        raise CannotDecideError(
            f"{root}: expected every commit between base and HEAD, since each may accept a benchmark, got a shallow "
            f"clone: its {CUT}"
        )
    return decision.accepted_names(_git(root, "log", "--format=%B", f"{base}..{head}").stdout)


def uncommitted(root: Path, suite: Path) -> list[str]:
    """The changed and the new files of the work tree that no commit has, outside the folder `suite`."""
    # Lines of `XY path`; `-z` keeps git from quoting, and a renamed file's old path follows as an entry of its own.
    entries = iter(_git(root, "status", "--porcelain", "-z", "--untracked-files=all").stdout.split("\0"))
    top = Path(_git(root, "rev-parse", "--show-toplevel").stdout.strip())
    found = []
    for entry in entries:
        if entry:
            found.append(entry[3:])
            if "R" in entry[:2]:
                next(entries)
    return [path for path in found if not (top / path).is_relative_to(suite.resolve())]


def of_work_tree(root: Path) -> str:
    """A commit of the work tree on top of HEAD, with new files that are not ignored; HEAD if nothing is changed.

    No branch has it, and neither the work tree nor the index changes.
    """
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder, "index")
        kept = root / _git(root, "rev-parse", "--git-path", "index").stdout.strip()
        if kept.is_file():
            shutil.copyfile(kept, index)  # so that git need not read every file again
        environment = {"GIT_INDEX_FILE": str(index)}
        _checked(root, "add", "--all", "--", ":/", environment=environment)
        tree = _checked(root, "write-tree", environment=environment)
    head = commit_of(root, "HEAD")
    if tree == _checked(root, "rev-parse", f"{head}^{{tree}}"):
        return head
    return _checked(root, *_IDENTITY, "commit-tree", tree, "-p", head, "-m", "The work tree")


def same_folder(root: Path, commit: str, folder: Path) -> bool:
    """Whether the work tree has the same files as the commit in this folder."""
    changed = _git(root, "diff", "--quiet", commit, "--", str(folder)).returncode
    new = _git(root, "ls-files", "--others", "--exclude-standard", "--", str(folder)).stdout
    return not changed and not new


def extract(root: Path, commit: str, folder: Path, target: Path) -> bool:
    """Writes the folder as the commit has it below `target`; False if the commit does not have it."""
    command = ["git", "-C", str(root), "archive", "--format=tar", commit, "--", os.path.relpath(folder, root)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        return False
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(target, filter="data")
    return True


def _ends(root: Path) -> set[str]:
    """The commits of a shallow clone whose parents are left out."""
    path = root / _git(root, "rev-parse", "--git-path", "shallow").stdout.strip()
    return set(path.read_text("ascii").split()) if path.is_file() else set()


def _checked(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    done = _git(root, *arguments, environment=environment)
    if done.returncode:
        said = done.stderr.strip()
        raise CannotDecideError(f"{root}: expected `git {' '.join(arguments)}` to work, got: {said}")
    return done.stdout.strip()


def _git(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(  # noqa: S603
        command,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",  # names of files are bytes
        check=False,
        env=os.environ | dict(environment or {}),
    )
