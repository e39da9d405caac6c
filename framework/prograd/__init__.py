"""prograd: differentiating progressive functions `h_x(w) = g_L(w^L; … g_1(w^1; x))` in every order of multiplication."""
__version__ = "0.1.0"
from prograd.hookspecs import hookimpl
from prograd.layer import Elementwise, Layer, Parameters
from prograd.loss import Loss
