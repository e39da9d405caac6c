"""The parts of benchmark suites: timings in turns, exact counts, controls; the gate; asv's pages without a network.

prograd's own asv suite, the experiments and plugins' suites are built from them. The modules that measure need only
NumPy and prograd; `gate` and `site` need the extra `bench`.
"""
