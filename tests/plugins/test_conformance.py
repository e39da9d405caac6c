"""Every layer, loss and penalty in the registry passes the conformance kit."""

from __future__ import annotations

import pytest

import prograd
from prograd.testing import parametrize_with_checks
from prograd.testing.parametrize import expand

FOUND = prograd.registry()
EVERY = [cls for names in FOUND.kinds.values() for cls in names.values()]


@parametrize_with_checks(EVERY)
def test_conformance(check) -> None:
    check()


@pytest.mark.parametrize("name", sorted(FOUND.layers))
def test_layer_is_known_by_one_name(name: str) -> None:
    layer, _ = next(iter(FOUND.layers[name].examples()))
    assert layer.name == name


@pytest.mark.parametrize("name", sorted(FOUND.losses))
def test_loss_is_known_by_one_name(name: str) -> None:
    loss, _, _ = next(iter(FOUND.losses[name].examples()))
    assert loss.name == name


@pytest.mark.parametrize("name", sorted(FOUND.penalties))
def test_penalty_is_known_by_one_name(name: str) -> None:
    penalty, _ = next(iter(FOUND.penalties[name].examples()))
    assert penalty.name == name


def test_the_first_party_ones_are_among_them() -> None:
    assert {"affine", "tanh", "softmax", "layer_norm", "conv2d", "residual"} <= set(FOUND.layers)
    assert {"squared_error", "softmax_cross_entropy", "kl_divergence", "hinge"} <= set(FOUND.losses)
    assert {"l1", "l2"} <= set(FOUND.penalties)


def test_none_is_broken_and_none_is_another_distributions() -> None:
    assert FOUND.broken == ()
    assert {plugin.distribution for plugin in FOUND.plugins} == {"prograd"}


@pytest.mark.slow
@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_the_kit_has_no_advice(cls) -> None:
    """No slope loses its digits in float32, and numpy warns of nothing that is thrown away."""
    for suite, label, make in expand(cls):
        assert suite.report(make()).advice == (), label
