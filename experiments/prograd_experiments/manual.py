"""`prograd-run --help`: the groups, the keys of the chosen experiment with what they mean, and what is installed.

A key's meaning is the comment beside it in the configuration, and that of a loss's or a penalty's option is in its
docstring.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from hydra import compose, initialize_config_module
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

import prograd
from prograd.catalogue import options_of
from prograd.catalogue import told as docstring_of
from prograd_experiments import arguments, jobs
from prograd_experiments import config as read
from prograd_experiments.architectures import activations
from prograd_experiments.distinct import flat

CONF: Final = "prograd_experiments.conf"
GLOBAL: Final = "# @package _global_"
LINE: Final = re.compile(r"( *)(\w+):(?: .*?)?(?: +# (.*))?")
"""A key with its indentation and its comment."""

INCLUDED: Final = re.compile(r"  - (\w+)")
"""Another choice of the same group, in a list of defaults."""

MOST: Final = 120  # characters in a line, however wide the terminal is
KEY: Final = 30

HEAD: Final = """prograd-run measures gradients of layered functions.

  prograd-run depth=4 width=32                      one job
  prograd-run -m                                    the experiment's own sweep
  prograd-run -m depth=2,4,8 width=16,64 data=wine  your own sweep
  prograd-run experiment=train --help               the keys of another experiment
"""

FOOT: Final = (
    "A sweep leaves record.json for each job, summary.csv, a picture and report.html in its directory, which "
    "hydra.sweep.dir=DIR sets; `prograd collect DIR` makes them again. Its jobs run one by one; `hydra/launcher=joblib "
    "hydra.launcher.n_jobs=4` runs four at a time, and other launchers use a cluster. `prograd show NAME` tells of a "
    "layer, a loss or a penalty. Hydra's own flags: --hydra-help"
)


Row = tuple[str, str]


def asked(words: Sequence[str]) -> bool:
    """Whether the command line asks for this page."""
    return bool(get_args_parser().parse_known_args(words)[0].help)


def page(words: Sequence[str]) -> str:
    """The page for a command line. Raises what Hydra raises for a configuration that it can't compose."""
    width = min(shutil.get_terminal_size().columns, MOST)
    parts = [f"== {heading} ==\n\n{_table(rows, width)}\n" for heading, rows in sections(words).items()]
    return "\n".join([HEAD, *parts, textwrap.fill(FOOT, width)])


def sections(words: Sequence[str]) -> dict[str, list[Row]]:
    """The tables of the page, by their headings."""
    given = get_args_parser().parse_args(words)
    overrides = OverridesParser.create().parse_overrides(given.overrides)
    said = [word for word, override in zip(given.overrides, overrides, strict=True) if not override.is_sweep_override()]
    folders = [Path(given.config_dir).absolute()] if given.config_dir else []
    beyond = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in folders)}]"]
    with initialize_config_module(CONF, version_base="1.3"):
        cfg = compose(given.config_name or "config", [*beyond, *said], return_hydra_config=True)
    choices = {group: str(choice) for group, choice in cfg.hydra.runtime.choices.items() if "/" not in group}
    told, name = meanings(choices, folders), OmegaConf.select(cfg, "experiment.name")
    unused = jobs.EXPERIMENTS[name].unused if name in jobs.EXPERIMENTS else {}
    keys = [(key, value) for key, value in _keys(cfg) if key.partition(".")[0] not in unused]
    rows = {key: (f"{key}={_shown(value)}", told.get(key, "")) for key, value in keys}
    return {
        "Groups (group=choice)": [
            (f"{group}={choices[group]}", f"{told.get(group, '')} Others: {', '.join(others)}.".strip())
            for group, every in sorted(arguments.groups().items(), key=lambda each: each[0] != "experiment")
            for others in [[name for name in every if name != choices.get(group)]]
            if group in choices and group not in unused
        ],
        f"Keys of experiment={choices.get('experiment', 'none')} (key=value)": [
            row for key, row in rows.items() if key not in read.HOW_TO_RUN
        ],
        "How to run (key=value)": [row for key, row in rows.items() if key in read.HOW_TO_RUN],
        "Names": [
            ("layers", ", ".join(prograd.registry().layers)),
            ("activations", ", ".join(activations())),
            ("modes", ", ".join(prograd.MODES)),
        ],
    }


def meanings(choices: Mapping[str, str], folders: Sequence[Path] = ()) -> dict[str, str]:
    """What each dotted key means, and what each group's choice is, where these are the choices.

    The files of configurations are those of the user's folders and prograd's own.
    """
    files = _Files((*folders, resources.files(CONF)))
    found = comments(files.text("config.yaml"))
    for group, choice in sorted(choices.items(), key=lambda each: each[0] == "experiment"):
        for name in files.with_included(group, choice):
            text = files.text(group, f"{name}.yaml")
            heading = [
                line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") and line != GLOBAL
            ]
            below = "" if GLOBAL in text else f"{group}."
            found |= {f"{below}{key}": told for key, told in comments(text).items()}
            found |= {group: " ".join(heading)} if name == choice and heading else {}
    for kind, classes in prograd.registry().kinds.items():
        cls = classes.get(choices.get(kind, ""))
        if cls is not None:
            found |= {kind: docstring_of(cls)[0]}
            found |= {f"{kind}.{option.name}": option.meaning for option in options_of(cls)}
    return found


def comments(text: str) -> dict[str, str]:
    """The comments beside keys in YAML, by dotted key."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in filter(None, map(LINE.fullmatch, text.splitlines())):
        indentation, key, comment = len(line[1]), line[2], line[3]
        above = [*(each for each in above if each[0] < indentation), (indentation, key)]
        if comment:
            found[".".join(name for _, name in above)] = comment
    return found


@dataclass(frozen=True)
class _Files:
    """The files of the configuration; the first folder that has one counts."""

    folders: Sequence[Traversable]

    def text(self, *path: str) -> str:
        """Empty for a choice that has no file, such as a loss."""
        files = (folder.joinpath(*path) for folder in self.folders)
        return next((file.read_text("utf-8") for file in files if file.is_file()), "")

    def with_included(self, group: str, choice: str) -> Iterator[str]:
        """The choice, after the choices of its group that it builds on."""
        text = self.text(group, f"{choice}.yaml")
        for included in INCLUDED.findall(text.partition("defaults:\n")[2].partition("\n\n")[0]):
            if included != "_self_":
                yield from self.with_included(group, included)
        yield choice


def _keys(cfg: DictConfig) -> Iterator[tuple[str, Any]]:
    """The dotted keys with their values, but for the names of groups' choices and Hydra's own keys."""
    plain: Any = OmegaConf.to_container(OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]))
    return ((key, value) for key, value in flat(plain) if not key.endswith(".name"))


def _shown(value: object) -> str:
    """A value as one writes it on the command line."""
    if isinstance(value, list):
        return f"[{','.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}: {_shown(each)}' for key, each in value.items())}}}"
    return read.show(value)


def _table(rows: Iterable[Row], width: int) -> str:
    """Two columns; a left side that is too long for its column has a line of its own."""
    lines: list[str] = []
    for left, right in rows:
        start = f"  {left}".ljust(KEY)
        if not start.endswith(" ") and right:
            lines.append(start)
            start = " " * KEY
        lines.append(textwrap.fill(f"{start}{right}", width, subsequent_indent=" " * KEY, break_on_hyphens=False))
    return "\n".join(line.rstrip() for line in lines)
