"""The data sets: real ones that scikit-learn ships or fetches, a synthetic one, and the user's files."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

import prograd
from prograd_experiments import config as read
from prograd_experiments import files, tables
from prograd_experiments.errors import ConfigError
from prograd_experiments.samples import Data, DataTask, Image, of_classes, of_numbers

IMAGES: Mapping[str, Image] = MappingProxyType({"digits": (1, 8, 8), "mnist": (1, 28, 28)})
PATIENCE = 30.0  # seconds to wait for a server's answer


@cache
def _shipped(name: str, task: DataTask) -> Data:
    # scikit-learn takes a second to import, and `prograd collect`, for one, reads no data.
    from sklearn import datasets  # noqa: PLC0415

    found = getattr(datasets, f"load_{name}")()
    if task == "classification":
        data = of_classes(name, found.data, found.target, IMAGES.get(name))
        data = replace(data, classes=tuple(map(str, found.target_names)))
    else:
        data = of_numbers(name, found.data, found.target)
    return replace(data, columns=tuple(map(str, found.feature_names)))


def _synthetic(config: read.Config) -> Data:
    task = read.choice(config, "data.task", ("classification", "regression"))
    samples, features, outputs = (read.integer(config, f"data.{key}", 1) for key in ("samples", "features", "outputs"))
    rng = np.random.default_rng([read.integer(config, "seed", 0), 1])  # the seed alone draws a network's parameters
    x = rng.normal(size=(samples, features))
    scores = x @ rng.normal(size=(features, outputs)) / np.sqrt(features) + 0.1 * rng.normal(size=(samples, outputs))
    if task == "classification":
        names = tuple(map(str, range(outputs)))
        y = prograd.one_hot(scores.argmax(axis=1), outputs)
        return Data("synthetic", "classification", x, y, classes=names, drawn=True)
    return Data("synthetic", "regression", x, scores, drawn=True)


@cache
def _mnist() -> Data:
    from sklearn import datasets  # noqa: PLC0415  (as above)

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        # The parser that does not need pandas. Warnings about failed attempts are left to the error below.
        with warnings.catch_warnings(action="ignore"):
            x, target = datasets.fetch_openml(
                "mnist_784", version=1, return_X_y=True, as_frame=False, parser="liac-arff", n_retries=1, delay=0.1
            )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"data=mnist: expected openml.org to answer, got {type(error).__name__}: {error}; the data set needs the "
            f"network once, and is then kept in {datasets.get_data_home()}; offline, use data=digits, or data=npz "
            "data.path=FILE"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return of_classes("mnist", x, target, IMAGES["mnist"])


SHIPPED: Mapping[str, DataTask] = MappingProxyType(
    {
        "digits": "classification",
        "iris": "classification",
        "wine": "classification",
        "breast_cancer": "classification",
        "diabetes": "regression",
    }
)
"""The data sets that scikit-learn ships, each with its task."""

OTHERS: Mapping[str, tuple[Callable[[read.Config], Data], Sequence[str]]] = MappingProxyType(
    {
        "mnist": (lambda _: _mnist(), ()),
        "synthetic": (_synthetic, ("task", "samples", "features", "outputs")),
        "csv": (tables.csv, tables.KEYS),
        "npz": (files.npz, ("path", "task", "sha256")),
    }
)
"""The other data sets, each with its keys."""

DATA = (*SHIPPED, *OTHERS)


def load(config: read.Config) -> Data:
    """The data set that `data.name` names. Raises `ConfigError`."""
    name = read.choice(config, "data.name", DATA)
    find, keys = OTHERS.get(name, (None, ()))
    read.known_keys(config["data"], ("name", *keys), "data")
    return _shipped(name, SHIPPED[name]) if find is None else find(config)


def settled(config: read.Config) -> dict[str, Any]:
    """The configuration with the hash of a data file's content, so that other content is another configuration."""
    if config["data"]["name"] not in files.FORMATS:
        return dict(config)
    return {**config, "data": {**config["data"], "sha256": files.sha256(config)}}
