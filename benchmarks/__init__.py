"""The asv suite: what the modes cost, and the gap between them. Configured by `asv.conf.json` at the root.

asv installs one revision after the other and runs this checkout's suite with each. The measuring code has to be the
checkout's too: a clock or a problem that changed between revisions would show up as a change of prograd's, and old
revisions lack them. So `prograd_benchmarks` comes from this checkout and everything else from the installed revision.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
