"""The data sets: real ones that scikit-learn ships or fetches, a synthetic one, and the user's files."""

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
from prograd_experiments.samples import Data, DataTask, Image, of_classes, of_numbers

IMAGES: Mapping[str, Image] = MappingProxyType({"digits": (1, 8, 8), "mnist": (1, 28, 28)})
PATIENCE = 30.0  # seconds to wait for a server's answer


@cache
def _sklearn(name: str, task: DataTask) -> Data:
    # scikit-learn takes a second to import, and `prograd collect`, for one, reads no data.
    from sklearn import datasets  # noqa: PLC0415

    x, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    if task == "classification":
        return of_classes(name, x, target, IMAGES.get(name))
    return of_numbers(name, x, target)


def _real(name: str, task: DataTask) -> Callable[[read.Config], Data]:
    def load(config: read.Config) -> Data:
        read.known_keys(config["data"], ("name",), "data")
        return _sklearn(name, task)

    return load


def _synthetic(config: read.Config) -> Data:
    read.known_keys(config["data"], ("name", "task", "samples", "features", "outputs"), "data")
    task = read.choice(config, "data.task", ("classification", "regression"))
    samples = read.integer(config, "data.samples", 1)
    features = read.integer(config, "data.features", 1)
    outputs = read.integer(config, "data.outputs", 1)
    rng = np.random.default_rng([read.integer(config, "seed", 0), 1])  # the seed alone draws a network's parameters
    x = rng.normal(size=(samples, features))
    scores = x @ rng.normal(size=(features, outputs)) / np.sqrt(features) + 0.1 * rng.normal(size=(samples, outputs))
    if task == "classification":
        return Data("synthetic", "classification", x, prograd.one_hot(scores.argmax(axis=1), outputs))
    return Data("synthetic", "regression", x, scores)


@cache
def _fetched() -> Data:
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


def _mnist(config: read.Config) -> Data:
    read.known_keys(config["data"], ("name",), "data")
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
    """The data set that `data.name` names. Raises `ConfigError`."""
    return DATA[read.choice(config, "data.name", tuple(DATA))](config)


def settled(config: read.Config) -> dict[str, Any]:
    """The configuration with the hash of a data file's content, so that other content is another configuration."""
    if config["data"]["name"] not in files.FORMATS:
        return dict(config)
    return {**config, "data": {**config["data"], "sha256": files.sha256(config)}}
