"""The losses of prograd-run; every registered loss joins them when it starts."""
