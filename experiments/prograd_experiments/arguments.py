"""The words of the command line, checked and put in order before Hydra composes a configuration from them."""

from __future__ import annotations

import re
from argparse import ArgumentError
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from itertools import chain, islice, product
from math import prod
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, QuotedString, RangeSweep

from prograd_experiments import config as read
from prograd_experiments import listed
from prograd_experiments.errors import ConfigError

MOST_POINTS = 1_000_000
LAYER = "network.layer"
COMMANDS = ("run", "multirun", "cfg", "info", "shell_completion")


def arranged(words: Sequence[str]) -> list[str]:
    """The words with options anywhere among the overrides as Hydra takes them: the overrides last.

    Raises `ConfigError` for words that Hydra would not explain, or would explain by its usage.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        given, more = parser.parse_known_args(words)
    except ArgumentError as error:
        raise ConfigError(f"command line: expected options with their values, got a mistake: {error}") from error
    for word in more:
        if word.startswith("-"):
            raise read.unknown_choice("option", word, re.findall(r"--[\w-]+", parser.format_usage()))
    chosen = [f"--{name}" for name in COMMANDS if getattr(given, name)]
    if len(chosen) > 1:
        raise read.refused(
            "command line", f"one of {', '.join(f'--{name}' for name in COMMANDS)}", " and ".join(chosen)
        )
    for option in ("resolve", "package"):
        if getattr(given, option) and not (given.cfg or given.help):
            raise read.refused(f"--{option}", "--cfg with it", "no --cfg")
    if given.config_dir is not None and not Path(given.config_dir).is_dir():
        raise read.refused("--config-dir", "a directory", given.config_dir)
    overrides = said = [*given.overrides, *more]
    if not given.shell_completion:
        known = groups()
        for override in OverridesParser.create().parse_overrides(overrides):
            _check(override, known)
        plus = f"+{listed.KEY}="  # the key is there, which no one needs to know
        overrides = _with_options([word.removeprefix("+") if word.startswith(plus) else word for word in overrides])
    return [*(word for word in words if word not in said), *overrides]


def jobs(params: object, words: Sequence[str], loader: ConfigLoader) -> list[list[str]]:
    """The overrides of each job of a sweep: the product of all choices, with `params` for keys that are left out.

    Raises `ConfigError` for a sweep over nothing, over too much, or over what can't differ between its jobs.
    """
    if not isinstance(params, Mapping):
        raise read.refused("hydra.sweeper.params", "keys with their choices", params)
    parser = OverridesParser.create(config_loader=loader)
    given = parser.parse_overrides(list(words))
    points = [point for override in given if _lists(override) for point in listed.points(_plain(override))]
    told = {key for point in points for key in point}
    for override in given:
        if override.key_or_group in told:
            expected = f"points without {override.key_or_group}, which the command line sets"
            raise read.refused(listed.KEY, expected, "points with it")
    filled = [f"{key}={'null' if value is None else value}" for key, value in params.items() if key not in told]
    own = [word for word, override in zip(words, given, strict=True) if not _lists(override)]
    overrides = parser.parse_overrides([*filled, *own])
    lengths = {override.get_key_element(): _length(override) for override in overrides}
    if prod(lengths.values()) * max(len(points), 1) > MOST_POINTS:
        raise read.refused("sweep", f"at most {MOST_POINTS} points", "more")
    every = chain.from_iterable(BasicSweeper.split_arguments(overrides, None))
    return [[*one, *point] for one in every for point in listed.as_overrides(points) or [[]]]


def corners(params: Mapping[str, object], words: Sequence[str], loader: ConfigLoader) -> Iterator[list[str]]:
    """The overrides of points from all over the space that another sweeper searches, as `jobs` makes them.

    Of a range or an interval these have the ends alone.
    """
    filled = [f"{key}={'null' if value is None else value}" for key, value in params.items()]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides([*filled, *words])
    each = {override.get_key_element(): list(_ends(override)) for override in overrides}
    return map(list, product(*each.values()))


def _ends(override: Override) -> Iterator[str]:
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):
        yield from (f"{key}={end}" for end in (value.start, value.end))
    elif isinstance(value, RangeSweep):
        numbers = list(islice(value.range(), MOST_POINTS))
        yield from (f"{key}={number}" for number in dict.fromkeys([*numbers[:1], *numbers[-1:]]))
    elif override.is_sweep_override():
        yield from (f"{key}={text}" for text in override.sweep_string_iterator())
    else:
        yield f"{key}={override.get_value_element_as_str()}"


def _lists(override: Override) -> bool:
    """Whether the override lists points."""
    return override.key_or_group == listed.KEY and override.value() is not None


def _plain(override: Override) -> object:
    if override.is_sweep_override():
        raise read.refused(listed.KEY, "one value for the whole sweep", override.get_value_string())
    return override.value()


def keys(words: Sequence[str]) -> list[str]:
    """The keys that the words set, without the signs of Hydra's grammar."""
    parsed = OverridesParser.create().parse_overrides(list(words))
    return [override.key_or_group.replace("/", ".") for override in parsed if not override.is_delete()]


def groups() -> dict[str, list[str]]:
    """The groups of configurations and their choices: files, and what is in Hydra's store."""
    found: dict[str, set[str]] = {}
    for folder in resources.files("prograd_experiments.conf").iterdir():
        if folder.is_dir() and folder.name != "hydra":
            files = (file.name for file in folder.iterdir())
            found[folder.name] = {name.removesuffix(".yaml") for name in files if name.endswith(".yaml")}
    for name, node in ConfigStore.instance().repo.items():
        if isinstance(node, dict) and name in found:
            found[name] |= {choice.removesuffix(".yaml") for choice in node}
    return {name: sorted(choices) for name, choices in found.items() if choices}


def _with_options(words: Sequence[str]) -> list[str]:
    """The words with `network.layer=NAME` as a mapping where others set options of it, which Hydra can then add to."""
    parsed = OverridesParser.create().parse_overrides(list(words))
    if not any(override.key_or_group.startswith(f"{LAYER}.") for override in parsed):
        return list(words)
    return [_with_option(word, override) for word, override in zip(words, parsed, strict=True)]


def _with_option(word: str, override: Override) -> str:
    if override.is_add() or override.is_delete() or override.is_force_add():
        return word
    if override.key_or_group.startswith(f"{LAYER}."):
        return f"++{word}"
    names = list(_choices(override)) if override.key_or_group == LAYER else []
    return f"{LAYER}={','.join(f'{{name: {name}}}' for name in names)}" if names and all(map(_is_text, names)) else word


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _check(override: Override, known: Mapping[str, Sequence[str]]) -> None:
    key = override.key_or_group
    if not key:
        raise read.refused(str(override.input_line), "KEY=VALUE", "no key")
    if override.is_hydra_override() and override.is_sweep_override():
        raise read.refused(key, "one value, since Hydra's own keys hold for a whole sweep", override.get_value_string())
    if override.is_delete() or not (key in known or "/" in key):
        return
    for value in _choices(override):
        if isinstance(value, dict):
            continue  # sets keys within the group
        if key not in known and (value is None or not isinstance(value, (str, list))):
            raise read.refused(key, "the name of a choice", value)
        if key in known and not isinstance(value, str):
            raise read.unknown_choice(key, value, known[key])


def _choices(override: Override) -> Iterator[object]:
    """The values of an override that are written out: one, or those of a sweep over choices."""
    value = override.value()
    if isinstance(value, ChoiceSweep):
        yield from (one.text if isinstance(one, QuotedString) else one for one in value.list)
    elif not override.is_sweep_override():
        yield value


def _length(override: Override) -> int:
    if not override.is_sweep_override():
        return 1
    key, text = override.get_key_element(), override.get_value_string()
    if key.lstrip("+") in read.HOW_TO_RUN:
        raise read.refused(key, "one value for the whole sweep", text)
    if not override.is_discrete_sweep():
        raise read.refused(key, "choices, such as 1,2,4 or range(1,5)", text)
    value = override.value()
    try:
        # A range may be longer than memory; shuffling it would write it out.
        choices = iter(value.range()) if isinstance(value, RangeSweep) else override.sweep_iterator()
        length = sum(1 for _ in islice(choices, MOST_POINTS + 1))
    except ValueError as error:
        raise read.refused(key, "choices, such as 1,2,4 or range(1,5)", f"{text}; {error}") from error
    if length == 0:
        raise read.refused(key, "at least one choice", f"none from {text}")
    return length
