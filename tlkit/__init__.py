"""tlkit: teach and research transfer learning in Jupyter.

A backbone is loaded, frozen in part, its features extracted, tuned, adapted to another domain, and the result compared
with what would have come without transfer. Start with `load_images`, `load_backbone` and `compare`; everything else is
named in the README.
"""

import os as _os

from tlkit.lazy import attach as _attach

__version__ = "0.1.0"

# OpenMP's threads, which compute for torch, wait for each other in a busy loop of about a millisecond. Where another
# program wants a core as well, such as the browser that shows the notebook, each burns the time that another waits
# for: a training step took ten times as long here. A loop a thirtieth as long costs some 3 % on a quiet machine; none
# at all would cost half. GNU's OpenMP reads this when torch is first imported; who has set it keeps it.
_os.environ.setdefault("GOMP_SPINCOUNT", "10000")

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
