"""The gate: whether a revision costs more than the one it stands on, told from what asv measured of both.

`python -m prograd_benchmarks.gate BASE`, in a project that has an asv suite; `docs/gate.md` says what it asks and what
it answers. It knows benchmarks by their unit alone, so it serves any suite whose units are those of `decision`.
"""
