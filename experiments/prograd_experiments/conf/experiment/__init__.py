"""The experiments of prograd-run."""
