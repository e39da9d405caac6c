"""The gate: does a revision cost more than the one it builds on, judged by what asv measured of both?

`python -m prograd_benchmarks.gate BASE` runs in any project with an asv suite; `docs/gate.md` describes questions and
answers. The gate knows a benchmark only by its unit, so it serves every suite that uses the units in `decision`.
"""
