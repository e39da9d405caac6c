"""What benchmarks are made of: samples in turns, exact counts, controls; and a gate that reads asv's results.

For prograd's own asv suite, for the experiments, and for the suites of plugins. The modules that measure need NumPy and
prograd alone; `gate` and what it stands on need asv as well, which comes with the extra `bench`.
"""
