"""A new plugin from the template in `templates/plugin`, which is a working plugin itself."""

from __future__ import annotations

import builtins
import importlib.util
import keyword
import re
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prograd import operators
from prograd.errors import OptionError
from prograd.registry import registry

TEMPLATE: Final = Path(__file__).parent / "templates" / "plugin"

# Classes that the template's module has already.
TAKEN: Final = frozenset(
    {*dir(builtins), *operators.__all__, "Array", "Iterator", "Layer", "OptionError", "Parameters"}
)


@dataclass(frozen=True)
class Names:
    """What a plugin called `distribution` calls its module, its layer and the layer's class."""

    distribution: str
    module: str
    layer: str
    cls: str

    @classmethod
    def of(cls, distribution: str) -> Names:
        """`prograd-waves` and `waves` both bring the layer `waves`. Raises `OptionError` if a name can't be used."""
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", distribution):
            raise OptionError(
                f"{distribution!r} can't be the name of a distribution: expected ASCII letters, digits, '-', '_' and "
                "'.', with a letter or a digit first and last"
            )
        module = re.sub(r"[-_.]+", "_", distribution).lower()
        layer = module.removeprefix("prograd_")
        names = cls(distribution, module, layer, "".join(word.capitalize() for word in layer.split("_")))
        names._check()
        return names

    def _check(self) -> None:
        refused = f"{self.distribution!r} can't be the name of a plugin: "
        for name in (self.module, self.layer):
            if not name.isidentifier() or keyword.iskeyword(name):
                raise OptionError(refused + f"{name!r} can't be a name in Python")
        if self.module in sys.stdlib_module_names:
            raise OptionError(refused + f"Python has a module {self.module!r} of its own")
        if importlib.util.find_spec(self.module) is not None:
            raise OptionError(refused + f"a module {self.module!r} is installed already")
        if self.cls in TAKEN or keyword.iskeyword(self.cls):
            raise OptionError(refused + f"the layer's class would be {self.cls}, which means something else already")
        if self.layer in registry().layers:
            owner = next(str(plugin) for plugin in registry().plugins if self.layer in plugin.layers)
            raise OptionError(refused + f"plugin {owner} has a layer {self.layer!r} already")

    def fill(self, text: str) -> str:
        """The template's text with these names for those of the template."""
        values = {"my-plugin": self.distribution, "my_plugin": self.module, "my_layer": self.layer, "MyLayer": self.cls}
        return re.sub("|".join(values), lambda found: values[found[0]], text)


def write(name: str, parent: Path) -> Path:
    """Writes a plugin to the folder `parent/name`, whole or not at all, and returns that folder.

    Raises `OptionError` for a name that can't be used, and `FileExistsError` if the folder holds something.
    """
    names = Names.of(name)
    folder = parent / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not an empty folder")
    parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that moving it there is one step on one file system.
    unfinished = parent / f".{name}-{secrets.token_hex(4)}"
    try:
        for source in sorted(TEMPLATE.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                _copy(source, unfinished / _place(source.relative_to(TEMPLATE), names), names)
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return folder


def _place(path: Path, names: Names) -> Path:
    """Where a file of the template goes: `dot-` begins what is hidden, which packaging tools might leave out."""
    return Path(*(names.fill(re.sub(r"^dot-", ".", part)) for part in path.parts))


def _copy(source: Path, target: Path, names: Names) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(names.fill(source.read_text(encoding="utf-8")), encoding="utf-8")
