"""The networks of prograd-run."""
