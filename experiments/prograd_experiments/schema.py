"""What a `record.json` holds, as far as anything reads it: the types that a record is checked against.

A key that is not here may hold anything. Bounds keep ratios and axes finite; no measurement comes near them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

SCHEMA = "prograd.record/3"

Text = Annotated[str, Meta(max_length=100_000)]
Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Seconds = Annotated[float, Meta(ge=1e-15, le=1e15)]
Spread = Annotated[float, Meta(ge=0, le=1e15)]
Ratio = Annotated[float, Meta(ge=1e-30, le=1e30)]
Amount = Annotated[float, Meta(ge=0, le=1e300)]


class Named(Struct):
    """A group or a layer; its options may be anything."""

    name: Text


class Network(Named):
    """The options that columns show beside the name."""

    bottleneck: Positive | None = None


class Config(Struct, kw_only=True):
    """The keys that columns sort by or show."""

    experiment: Named
    data: Named | UnsetType = UNSET
    network: Network | UnsetType = UNSET
    activation: Text | Named | UnsetType = UNSET
    loss: Named | UnsetType = UNSET
    optimizer: Named | UnsetType = UNSET
    penalty: Named | UnsetType = UNSET
    depth: Positive | None = None
    width: Positive | None = None
    batch: Positive | None = None
    seed: Size | UnsetType = UNSET
    threads: Size | UnsetType = UNSET
    machine: Literal["c", "numpy", "off"] | None = None
    epochs: Size | UnsetType = UNSET
    dtype: Text | UnsetType = UNSET
    mode: Text | UnsetType = UNSET
    outputs: Text | UnsetType = UNSET
    wrt: Text | UnsetType = UNSET
    task: Text | None = None
    engines: list[Text] | UnsetType = UNSET


class Error(Struct):
    """An exception. `records.read` shortens it, so it may be of any length."""

    type: Text
    message: str
    traceback: str


class Git(Struct):
    """A revision, and whether the code was changed since."""

    revision: Text
    dirty: bool


class Blas(Struct):
    """A library of linear algebra."""

    name: Text
    version: Text | None
    kernel: Text | None
    threads: Size


class Plugin(Struct):
    """A plugin and the distribution that brings it."""

    name: Text
    distribution: Text | None
    version: Text | None


class Environment(Struct):
    """Where a measurement was made."""

    python: Text
    packages: dict[Text, Text | None]
    plugins: list[Plugin]
    git: Git | None
    blas: list[Blas]
    platform: Text
    cpu: Text
    cores: Size | None
    cores_available: Size | None
    machine: Text | UnsetType = UNSET


class Problem(Struct, kw_only=True):
    """What was computed."""

    parameters: Size | UnsetType = UNSET
    samples: Size | UnsetType = UNSET
    train_samples: Size | UnsetType = UNSET
    validation_samples: Size | UnsetType = UNSET
    target: Text | UnsetType = UNSET
    test_samples: Size | UnsetType = UNSET


class Agreement(Struct):
    """How far the modes differ."""

    relative_difference: Amount


class Gap(Struct):
    """A mode against the baseline."""

    median: Ratio
    spread: Spread
    multiply_adds: Amount | None
    predicted_time: Ratio | None = None


class Prediction(Struct):
    """What a plan says of a mode."""

    multiply_adds: Amount
    peak_bytes: Amount
    seconds: Seconds


class Plan(Struct):
    """The mode that auto takes, and all that were planned."""

    mode: Text
    modes: dict[Text, Prediction]


class Curves(Struct):
    """The points of the curves of training."""

    epochs: list[Size]
    train_loss: list[float | None]
    train_score: list[float | None]
    validation_loss: list[float | None] | UnsetType = UNSET
    validation_score: list[float | None] | UnsetType = UNSET
    test_loss: list[float | None] | UnsetType = UNSET  # of records from before there was a validation part
    test_score: list[float | None] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if len({len(values) for values in msgspec.structs.astuple(self) if values is not UNSET}) > 1:
            raise ValueError("expected curves of one length, got several")


class Outcome(Struct):
    """What became of one way of an engine."""

    engine: Text
    outcome: Text
    note: str | None = None


class Rounds(Struct):
    """The ratios of two contestants within the rounds."""

    median: Ratio
    spread: Spread
    quartiles: tuple[Ratio, Ratio]


class Record(Struct, kw_only=True):
    """The record of any job. One that is complete has what its experiment `needs`."""

    needs: ClassVar[Sequence[str]] = ()

    schema: Literal["prograd.record/3"]
    experiment: Text
    status: Literal["complete", "failed", "running"]
    config: Config
    config_hash: Text
    code: Text | None = None
    started: Text | None = None
    seconds: Spread | None = None
    error: Error | None = None
    environment: Environment | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.experiment != self.config.experiment.name:
            raise ValueError(f"expected the experiment {self.config.experiment.name!r}, got {self.experiment!r}")
        if self.status == "complete":
            missing = [key for key in self.needs if getattr(self, key) is UNSET]
            if missing:
                raise ValueError(f"expected {', '.join(self.needs)} in a complete record, got no {missing[0]}")


class Timed(Record, kw_only=True):
    """A job that times several things; each that has timings has a median and a spread."""

    timings: dict[Text, Annotated[list[Seconds], Meta(min_length=1)]] | UnsetType = UNSET
    median: dict[Text, Seconds] | UnsetType = UNSET
    spread: dict[Text, Spread] | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        found = [set(each) if each else set() for each in (self.timings, self.median, self.spread)]
        if not found[0] == found[1] == found[2]:
            raise ValueError("expected timings, medians and spreads of the same names, got different ones")


class InTurns(Timed, kw_only=True):
    """A job that times modes in turns, so that each has as many timings as the others."""

    agreement: Agreement | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.timings and len({len(each) for each in self.timings.values()}) > 1:
            raise ValueError("expected as many timings of each mode, got different numbers")


class SpeedGap(InTurns, kw_only=True):
    """The record of a job of the speed gap."""

    needs: ClassVar[Sequence[str]] = ("problem", "timings", "median", "spread", "multiply_adds")

    multiply_adds: dict[Text, Amount] | UnsetType = UNSET
    predicted_seconds: dict[Text, Seconds] | UnsetType = UNSET  # not in records of an older schema
    gap: Ratio | None = None
    gap_spread: Spread | None = None
    multiply_adds_gap: Ratio | None = None
    predicted_time_gap: Ratio | None = None
    gaps: dict[Text, Gap] | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        timed = set(self.timings or ())
        if not timed <= set(self.multiply_adds or ()):
            raise ValueError("expected the multiply-adds of each mode that was timed, got others")
        if self.predicted_seconds is not UNSET and not timed <= set(self.predicted_seconds):
            raise ValueError("expected the predicted seconds of each mode that was timed, got others")
        if self.gap is not None and (self.multiply_adds_gap is None or not {"forward", "reverse"} <= timed):
            raise ValueError("expected a gap in multiply-adds and timings of forward and reverse with a gap, got none")
        if (self.predicted_time_gap is None) != (self.gap is None or self.predicted_seconds is UNSET):
            raise ValueError("expected a gap in predicted time where there are predicted seconds and a gap")


class PlannedConfig(Config, kw_only=True):
    """The configuration of a job that is planned: these keys name its point."""

    network: Network
    data: Named
    outputs: Literal["gradient", "jacobian"]
    wrt: Literal["parameters", "input"]


class Planned(InTurns, kw_only=True):
    """The record of a job that is planned and timed; one that is left out is not timed."""

    needs: ClassVar[Sequence[str]] = ("problem", "plan")

    config: PlannedConfig
    plan: Plan | UnsetType = UNSET
    left_out: Text | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.median and not (self.plan and set(self.median) <= set(self.plan.modes)):
            raise ValueError("expected a plan of every mode that was timed, got none")


class Training(Record, kw_only=True):
    """The record of a training run."""

    needs: ClassVar[Sequence[str]] = ("problem", "epochs_done", "score_is", "final", "curves")

    epochs_done: Size | UnsetType = UNSET
    chosen_epoch: Size | UnsetType | None = UNSET
    score_is: Text | UnsetType = UNSET
    final: dict[Text, float | None] | UnsetType = UNSET
    curves: Curves | UnsetType = UNSET


class PeersConfig(Config, kw_only=True):
    """The configuration of a comparison: these keys name its point."""

    task: Text
    depth: Positive
    width: Positive
    batch: Positive
    dtype: Text


class Peers(Timed, kw_only=True):
    """The record of a comparison of engines."""

    needs: ClassVar[Sequence[str]] = ("outcomes", "timings", "median", "spread", "ratios")

    config: PeersConfig
    outcomes: dict[Text, Outcome] | UnsetType = UNSET
    ratios: dict[Text, dict[Text, Rounds]] | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        timed = set(self.median or ())
        if not timed <= set(self.outcomes or ()):
            raise ValueError("expected an outcome of everything that was timed, got none")
        ratios = self.ratios or {}
        if not set(ratios).union(*ratios.values()) <= timed:
            raise ValueError("expected ratios of what was timed, got others")


KINDS: Mapping[str, type[Record]] = MappingProxyType(
    {"speed_gap": SpeedGap, "peers": Peers, "train": Training, "bracketing": Planned, "auto": Planned}
)
"""The records of each experiment."""


def check(content: Mapping[str, Any]) -> None:
    """Raises `msgspec.ValidationError` for JSON that is no record of its experiment."""
    name = content.get("experiment")
    if name not in tuple(KINDS):
        raise msgspec.ValidationError(f"expected records of {', '.join(KINDS)}, got the experiment {name!r}"[:500])
    msgspec.convert(content, KINDS[name])
