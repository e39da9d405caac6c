"""Installed distributions: plugins that happen to be here beside prograd, and new ones written into a folder."""

from __future__ import annotations

import sysconfig
import zipfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

PLUGIN = """
from prograd import Elementwise, hookimpl


class Double(Elementwise):
    def phi(self, z):
        return 2 * z

    def dphi(self, z, z_next):
        return 0 * z + 2


@hookimpl
def prograd_layers():
    return {"NAME": Double}
"""


def others() -> dict[str, metadata.Distribution]:
    """The distributions other than prograd that bring plugins or commands here, by normalised name."""
    groups = ("prograd", "prograd.commands")
    points = [point for group in groups for point in metadata.entry_points(group=group) if point.dist is not None]
    found = {canonicalize_name(point.dist.name): point.dist for point in points}
    return {name: distribution for name, distribution in found.items() if name != "prograd"}


def top_level(distribution: metadata.Distribution) -> set[str]:
    """The first parts of the paths of a distribution's files."""
    return {file.parts[0] for file in distribution.files or ()}


def dependencies(folder: Path) -> Path:
    """A new folder with links to all that is installed here except other plugins."""
    folder.mkdir()
    left_out = set().union(*map(top_level, others().values()))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.name not in left_out:
            (folder / path.name).symlink_to(path)
    return folder


def stand_in(folder: Path, name: str, version: str, paths: Iterable[Path] = (), points: str = "") -> None:
    """Write a wheel of this name that adds the paths to Python's, for environments that must not download anything."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}_stand_in.pth": "".join(f"{path}\n" for path in paths),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: prograd\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": points,
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)


class Site:
    """A folder like `site-packages`: modules and the metadata of their distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def install(
        self,
        name: str,
        points: str | Mapping[str, str],
        *,
        version: str = "1.0",
        requires: Iterable[str] = (),
        metadata: str | None = None,
    ) -> None:
        """Write the metadata of a distribution; `points` are its entry points, of prograd or as text with groups."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
        if metadata is None:
            metadata = "\n".join(lines) + "\n"
        if metadata:
            (info / "METADATA").write_text(metadata)
        text = points if isinstance(points, str) else "".join(f"{key} = {value}\n" for key, value in points.items())
        (info / "entry_points.txt").write_text(text if text.startswith("[") else f"[prograd]\n{text}")

    def module(self, name: str, text: str) -> None:
        (self.folder / f"{name}.py").write_text(text)

    def plugin(self, name: str, text: str | None = None, **options: Any) -> None:
        """Install a distribution, an entry point and a module, all called `name`, with a layer `name` by default."""
        self.install(name, {name: name}, **options)
        self.module(name, PLUGIN.replace("NAME", name) if text is None else text)
