"""What the targets of a file mean: classes or numbers, told in a line, and refused where they can't be meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import prograd
from prograd.units import counted
from prograd_experiments.errors import ConfigError
from prograd_experiments.samples import Array, Data

Numbers: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any]]]

MOST_CLASSES = 20  # of whole numbers that are taken for classes
MOST_NAMES = 6  # of classes that are listed

# How files write that there is no value, in small letters. None of them is a class.
MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "<na>", "nan", "null"})


@dataclass(frozen=True)
class Words:
    """Texts: for each sample the number of one of the sorted `words`, or -1 where it is missing."""

    number: Numbers
    words: Sequence[str]

    @classmethod
    def of(cls, words: Sequence[str], number: Numbers) -> Words:
        """The words in order, without those that no sample has; `number` counts them as they are given."""
        used = np.unique(number[number >= 0])
        order = sorted(used.tolist(), key=lambda i: words[i])
        new = np.full(len(words) + 1, -1)
        new[order] = np.arange(len(order))
        return cls(new[number], [words[i] for i in order])

    def take(self, rows: np.ndarray[Any, Any]) -> Words:
        """The words of some samples."""
        return Words.of(self.words, self.number[rows])


@dataclass(frozen=True)
class Source:
    """Where samples come from: the name of the data set, its file, and the name of the target."""

    name: str
    path: Path
    target: str


def samples(source: Source, x: Array, found: Array | Words, task: str | None) -> Data:
    """The samples with these features and targets: words, or numbers (N,) or (N, m).

    Without a task, words are classes, and so are whole numbers that are few and return often. Raises `ConfigError` for
    targets that predict nothing: one value, or as many classes as samples.
    """
    where = f"{source.path}, target {source.target}"
    read = f"{source.path}: {counted(len(x), 'sample')} of {counted(x.shape[1], 'feature')}; target {source.target}"
    if not isinstance(found, Words) and (task == "regression" or (task is None and not _are_classes(found))):
        numbers = found.reshape(len(found), -1)
        hint = "; data.task=classification makes classes of them" if task is None and _are_whole(found) else ""
        if len(numbers) and not np.ptp(numbers, axis=0).any():
            raise ConfigError(f"{where}: expected numbers that vary, got {numbers[0, 0]:g} alone")
        told = f"{read}: {_told(numbers)}{hint}"
        return Data(source.name, "regression", x, numbers, target=source.target, told=told)
    labels = found if isinstance(found, Words) else _labelled(found)
    count = len(labels.words)
    if count < 2:
        got = f"one: {', '.join(labels.words)}"
        raise ConfigError(f"{where}: expected at least 2 classes, got {got}")
    if count >= len(x) or (task is None and count > MOST_CLASSES and 2 * count > len(x)):
        hint = "data.task=regression?" if labels is not found else "data.target names another column to predict"
        got = f"{count} classes for {len(x)} samples"
        raise ConfigError(f"{where}: expected classes that several samples share, got {got}; {hint}")
    listed = f"{', '.join(labels.words[:MOST_NAMES])}{', …' * (count > MOST_NAMES)}"
    hint = "; data.task=regression takes them as numbers" if task is None and labels is not found else ""
    told = f"{read}: {count} classes ({listed}){hint}"
    y = prograd.one_hot(labels.number, count)
    return Data(source.name, "classification", x, y, classes=tuple(labels.words), target=source.target, told=told)


def _are_whole(numbers: Array) -> bool:
    return bool((numbers == np.round(numbers)).all())


def _are_classes(numbers: Array) -> bool:
    """Whether whole numbers are few and return often. Labels look like that; prices, years and counts do not."""
    if numbers.ndim > 1 or not _are_whole(numbers):
        return False
    distinct = len(np.unique(numbers))
    return distinct <= 2 or (distinct <= MOST_CLASSES and 2 * distinct <= len(numbers))


def _labelled(numbers: Array) -> Words:
    values, number = np.unique(numbers, return_inverse=True)
    return Words(number, [f"{value:.0f}" if value.is_integer() else repr(value) for value in values.tolist()])


def _told(numbers: Array) -> str:
    low, high, mean = numbers.min(), numbers.max(), numbers.mean()
    rows = f"{numbers.shape[1]} numbers each, " if numbers.shape[1] > 1 else "numbers "
    return f"{rows}from {low:.6g} to {high:.6g}, mean {mean:.4g}"
