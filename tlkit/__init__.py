"""tlkit: teach and research transfer learning in Jupyter.

Load a pretrained backbone, freeze part of it, extract features, fine-tune it, adapt it to another domain, and compare
strategies with and without transfer. Start with `load_images`, `load_backbone` and `compare`.
"""

import importlib as _importlib
import os as _os
import sys as _sys

from tlkit.lazy import attach as _attach

__version__ = "0.1.0"

# OpenMP threads, which compute for torch, wait for each other in a busy loop of about a millisecond. If another program
# needs a core too, for example the browser that shows the notebook, this waiting blocks it: a training step took ten
# times as long. A loop a thirtieth as long costs about 3 % on a quiet machine; none at all would double the time. GNU's
# OpenMP reads the variable when torch is first imported. A value set by the user is kept.
_os.environ.setdefault("GOMP_SPINCOUNT", "10000")

if "ipykernel" in _sys.modules:
    # By name, since nothing of the package may import widgets. Without a notebook, they aren't loaded.
    _importlib.import_module("tlkit.widgets.progress_line").use_in_notebook()

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
