"""What benchmarks are made of: samples in turns, exact counts, controls; the gate; asv's pages without a network.

For prograd's own asv suite, for the experiments, and for the suites of plugins. The modules that measure need NumPy and
prograd alone; `gate` and `site` need the extra `bench`.
"""
