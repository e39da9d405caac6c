"""The colours of all pictures that matplotlib draws."""

from __future__ import annotations

# Okabe and Ito's, which readers with any colour vision can tell apart; markers tell lines apart once more.
BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
INK, GREY, PALE = "#1d2733", "#5b6773", "#e4e8ec"
