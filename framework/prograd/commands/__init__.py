"""Commands of `prograd` that are more than a few lines in `cli.py`."""
