"""Training: the mean loss over a data set is minimised, with gradients from any mode."""
