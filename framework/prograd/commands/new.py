"""`prograd new NAME`: a plugin made from `template`, which is itself a working plugin."""

from __future__ import annotations

import builtins
import importlib.util
import keyword
import re
import secrets
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from prograd import operators
from prograd.errors import OptionError
from prograd.plugins.registry import registry

TEMPLATE: Final = Path(__file__).parent / "template"

# Names that mean something else in the module of the template.
TAKEN: Final = frozenset({*dir(builtins), *operators.__all__, "Array", "Iterator", "Layer", "Parameters"})


@click.command()
@click.argument("name")
@click.option(
    "--dir",
    "parent",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where to make the folder NAME.  [default: here]",
)
def new(name: str, parent: Path) -> None:
    """Write a plugin that is ready to install.

    It is called NAME, passes the conformance kit, and is found by prograd. Either the whole folder NAME is written or
    nothing is. Existing files are never overwritten.
    """
    folder = write(name, parent)
    click.echo(f"{folder} is a plugin. Next:\n")
    for line in (f"cd {shlex.quote(str(folder))}", 'pip install -e ".[test]"', "pytest", "prograd plugins"):
        click.echo(f"    {line}")
    click.echo("\nThen replace the layer in src by yours.")


@dataclass(frozen=True)
class Names:
    """What the plugin of a distribution calls its module, its layer, and the class of that layer."""

    distribution: str
    module: str
    layer: str
    cls: str

    @classmethod
    def of(cls, distribution: str) -> Names:
        """`prograd-waves` and `waves` both bring the layer `waves`. Raises `OptionError` if a name can't be used."""
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", distribution):
            raise OptionError(
                f"plugin {distribution!r}: expected ASCII letters, digits, '-', '_' and '.' in its name, with a letter "
                "or a digit first and last"
            )
        module = re.sub(r"[-_.]+", "_", distribution).lower()
        layer = module.removeprefix("prograd_")
        names = cls(distribution, module, layer, "".join(word.capitalize() for word in layer.split("_")))
        if problem := names._problem():
            raise OptionError(f"plugin {distribution!r}: expected another name: {problem}")
        return names

    def _problem(self) -> str:
        """Why these names can't be used, or an empty string."""
        for name in (self.module, self.layer):
            if not name.isidentifier() or keyword.iskeyword(name):
                return f"{name!r} can't be a name in Python"
        if self.module in sys.stdlib_module_names:
            return f"Python has a module {self.module!r} of its own"
        if importlib.util.find_spec(self.module) is not None:
            return f"a module {self.module!r} is installed already"
        if self.cls in TAKEN or keyword.iskeyword(self.cls):
            return f"the layer's class would be {self.cls}, which means something else already"
        owner = next((plugin for plugin in registry().plugins if self.layer in plugin.layers), None)
        return "" if owner is None else f"plugin {owner} has a layer {self.layer!r} already"

    def fill(self, text: str) -> str:
        """The text of the template with these names instead of its own."""
        values = {"my-plugin": self.distribution, "my_plugin": self.module, "my_layer": self.layer, "MyLayer": self.cls}
        return re.sub("|".join(values), lambda found: values[found[0]], text)


def write(name: str, parent: Path) -> Path:
    """Write a plugin to the folder `parent/name`, all of it or nothing, and return that folder.

    Raises `OptionError` for a name that can't be used, and `FileExistsError` if the folder is not empty.
    """
    names = Names.of(name)
    folder = parent / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder}: expected no folder, or an empty one; it exists and holds something")
    parent.mkdir(parents=True, exist_ok=True)
    # In the same parent, so that one rename on one file system finishes it.
    unfinished = parent / f".{name}-{secrets.token_hex(4)}"
    try:
        for source in sorted(TEMPLATE.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                target = unfinished / _place(source.relative_to(TEMPLATE), names)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(names.fill(source.read_text(encoding="utf-8")), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return folder


def _place(path: Path, names: Names) -> Path:
    """Where a file of the template goes. `dot-` stands for a dot, since packaging tools may leave out hidden files."""
    return Path(*(names.fill(re.sub(r"^dot-", ".", part)) for part in path.parts))
