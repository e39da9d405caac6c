"""The asv suite of the plugin, built from `prograd_benchmarks` and configured by `asv.conf.json`."""
