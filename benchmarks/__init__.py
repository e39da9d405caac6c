"""The asv suite: what both modes cost, and the gap between them. Configured by `asv.conf.json` at the root."""
