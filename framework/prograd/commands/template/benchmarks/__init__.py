"""The asv suite of the plugin, made of parts of `prograd_benchmarks` and configured by `asv.conf.json`."""
