"""Outputs that give an answer away: JupyterLab unfolds them when their cell is run, so they are folded here."""

import functools

from IPython import get_ipython
from IPython.display import HTML, display

from tlkit.languages import translate

# All outputs that come after this one in their cell are hidden until a click opens it.
_FOLD = """<details class="tlkit-fold"><summary>{}</summary></details>
<style>.jp-OutputArea-child:has(details.tlkit-fold:not([open])) ~ .jp-OutputArea-child {{ display: none; }}</style>"""


@functools.cache
def fold_answers():
    """Let each cell that is run from now on fold its outputs, if its metadata say so."""
    shell = get_ipython()
    if hasattr(shell, "kernel"):
        shell.events.register("pre_run_cell", lambda _: _fold(shell.kernel.get_parent("shell")))


def _fold(request):
    """Display the fold if the request to run a cell has its metadata, as those of JupyterLab, and they fold outputs."""
    metadata = request.get("metadata", {})
    if metadata.get("jupyter", {}).get("outputs_hidden") or "answer" in metadata.get("tags", []):
        display(HTML(_FOLD.format(translate("The result: predict first, then click here."))))
