"""The first-party layers: a plugin like any other, which uses only the public names of `prograd`."""

from __future__ import annotations

from prograd import Layer, hookimpl
from prograd_layers.activations import Elu, Gelu, LeakyRelu, Relu, Sigmoid, Silu, Sine, Softplus, Tanh
from prograd_layers.affine import Affine
from prograd_layers.branches import Concat, Parallel
from prograd_layers.convolution import Conv1d, Conv2d
from prograd_layers.layer_norm import LayerNorm
from prograd_layers.lookup import Lookup
from prograd_layers.pooling import AvgPool2d, MaxPool2d
from prograd_layers.residual import Residual
from prograd_layers.scale_shift import ScaleShift
from prograd_layers.softmax import Softmax

__all__ = [
    "Affine",
    "AvgPool2d",
    "Concat",
    "Conv1d",
    "Conv2d",
    "Elu",
    "Gelu",
    "LayerNorm",
    "LeakyRelu",
    "Lookup",
    "MaxPool2d",
    "Parallel",
    "Relu",
    "Residual",
    "ScaleShift",
    "Sigmoid",
    "Silu",
    "Sine",
    "Softmax",
    "Softplus",
    "Tanh",
]


@hookimpl
def prograd_layers() -> dict[str, type[Layer]]:
    """The first-party layers by name."""
    return {
        "affine": Affine,
        "relu": Relu,
        "leaky_relu": LeakyRelu,
        "elu": Elu,
        "sigmoid": Sigmoid,
        "tanh": Tanh,
        "softplus": Softplus,
        "silu": Silu,
        "gelu": Gelu,
        "sine": Sine,
        "softmax": Softmax,
        "scale_shift": ScaleShift,
        "layer_norm": LayerNorm,
        "lookup": Lookup,
        "conv1d": Conv1d,
        "conv2d": Conv2d,
        "max_pool2d": MaxPool2d,
        "avg_pool2d": AvgPool2d,
        "residual": Residual,
        "concat": Concat,
        "parallel": Parallel,
    }
