"""The data sets of prograd-run."""
