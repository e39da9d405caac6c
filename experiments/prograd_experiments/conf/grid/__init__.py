"""The points that `experiment=peers` sweeps."""
