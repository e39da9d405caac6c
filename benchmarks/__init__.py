"""The asv suite: what the modes cost, and the gap between them. Configured by `asv.conf.json` at the root.

asv installs one revision after the other and runs this checkout's suite with each. What measures has to be the
checkout's too: a clock or a problem that changed from one revision to the next would show a change of its own, and
old revisions lack them. So `prograd_benchmarks` and `prograd_experiments` come from here, the rest is what is
installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
