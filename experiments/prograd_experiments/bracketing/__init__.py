"""The bracketing experiment: what the best order of products gains, measured against predicted."""
