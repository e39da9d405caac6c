"""Auto: how often `mode="auto"` takes the quickest mode, on a grid of networks."""
