"""The data sets: real ones that scikit-learn ships or fetches, a synthetic one, and files of one's own."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

import prograd
from prograd_experiments import config as read
from prograd_experiments import files
from prograd_experiments.errors import ConfigError
from prograd_experiments.samples import Data, Image, Task, of_classes, of_numbers

IMAGES: Mapping[str, Image] = MappingProxyType({"digits": (1, 8, 8), "mnist": (1, 28, 28)})
SLOWEST_ANSWER = 30.0  # seconds that a server may leave us waiting


@cache
def _sklearn(name: str, task: Task) -> Data:
    # scikit-learn takes a second to import: whoever reads no data, as `prograd collect`, need not wait for it.
    from sklearn import datasets  # noqa: PLC0415

    x, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    if task == "classification":
        return of_classes(name, x, target, IMAGES.get(name))
    return of_numbers(name, x, target)


def _real(name: str, task: Task) -> Callable[[read.Config], Data]:
    def load(config: read.Config) -> Data:
        read.known_keys(config["data"], ("name",), "data.")
        return _sklearn(name, task)

    return load


def _synthetic(config: read.Config) -> Data:
    read.known_keys(config["data"], ("name", "task", "samples", "features", "outputs"), "data.")
    task = read.choice(config, "data.task", ("classification", "regression"))
    samples = read.integer(config, "data.samples", 1)
    features = read.integer(config, "data.features", 1)
    outputs = read.integer(config, "data.outputs", 1)
    rng = np.random.default_rng([read.integer(config, "seed", 0), 1])  # a network's w is drawn from the seed alone
    x = rng.normal(size=(samples, features))
    scores = x @ rng.normal(size=(features, outputs)) / np.sqrt(features) + 0.1 * rng.normal(size=(samples, outputs))
    if task == "classification":
        return Data("synthetic", "classification", x, prograd.one_hot(scores.argmax(axis=1), outputs))
    return Data("synthetic", "regression", x, scores)


@cache
def _fetched() -> Data:
    from sklearn import datasets  # noqa: PLC0415  (as above)

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SLOWEST_ANSWER)
    try:
        # The parser that needs no pandas.
        with warnings.catch_warnings(action="ignore"):  # about an attempt that failed: what becomes of it is said below
            x, target = datasets.fetch_openml(
                "mnist_784", version=1, return_X_y=True, as_frame=False, parser="liac-arff", n_retries=1, delay=0.1
            )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"data=mnist: it can't be had from openml.org ({type(error).__name__}: {error}). It needs the network "
            f"once, and stays in {datasets.get_data_home()}. Offline: data=digits, or data=npz data.path=FILE"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return of_classes("mnist", x, target, IMAGES["mnist"])


def _mnist(config: read.Config) -> Data:
    read.known_keys(config["data"], ("name",), "data.")
    return _fetched()


DATA: Mapping[str, Callable[[read.Config], Data]] = MappingProxyType(
    {
        "digits": _real("digits", "classification"),
        "iris": _real("iris", "classification"),
        "wine": _real("wine", "classification"),
        "breast_cancer": _real("breast_cancer", "classification"),
        "diabetes": _real("diabetes", "regression"),
        "mnist": _mnist,
        "synthetic": _synthetic,
        "csv": files.csv,
        "npz": files.npz,
    }
)


def load(config: read.Config) -> Data:
    """The data set that `data.name` names."""
    return DATA[read.choice(config, "data.name", tuple(DATA))](config)


def settled(config: read.Config) -> dict[str, Any]:
    """The configuration with the hash of a file's content beside its path: other content, other configuration."""
    if config["data"]["name"] not in files.FORMATS:
        return dict(config)
    return {**config, "data": {**config["data"], "sha256": files.sha256(config)}}
