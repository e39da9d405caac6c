"""The optimizers of experiment=train."""
