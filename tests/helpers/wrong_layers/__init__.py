"""Layers that are wrong on purpose, by what is wrong with them. Importing them fills the gallery."""

from tests.helpers.wrong_layers import behaviour, derivatives, places, products, shapes
from tests.helpers.wrong_layers.base import GALLERY, Right

__all__ = ["GALLERY", "Right", "behaviour", "derivatives", "places", "products", "shapes"]
