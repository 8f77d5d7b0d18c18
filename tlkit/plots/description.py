"""Text alternatives of pictures, for readers who don't see them."""

import base64
import functools
import html
import os
from typing import TYPE_CHECKING

from tlkit.languages import ENGLISH, find_language, translate

if TYPE_CHECKING:
    from IPython.display import Image


def describe(picture: object, words: str) -> "Image | None":
    """Give a figure or a picture a text alternative, which notebooks show to readers who don't see it.

    Parameters
    ----------
    picture : matplotlib Figure, PIL Image or IPython Image
        What the cell displays, as PNG.
    words : str
        One or two sentences: the kind of figure, what it compares, and its main result; ValueError if empty.

    Returns
    -------
    PIL Image, IPython Image or None
        The Image, so that a cell can end with it. None for a figure, which pyplot displays at the end of the cell.

    Notes
    -----
    JupyterLab 4.6 ignores descriptions of PNG outputs. An open notebook therefore gets an HTML image with `alt`. Stored
    lessons keep PNG, with the words in its metadata, which nbconvert's template "classic" reads.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> describe(Figure(), "Accuracy over shots: the probe rises from 0.28 to 0.64.")
    """
    if not words.strip():
        raise ValueError("words: empty, expected a description of the picture")
    if hasattr(picture, "findobj") and find_language() != ENGLISH:  # legends and labels that a lesson has added
        from tlkit.plots.style import make_texts_plain

        make_texts_plain(picture)
    words = translate(words)
    picture._ipython_display_ = functools.partial(_display, picture, words)
    return None if hasattr(picture, "savefig") else picture


def _display(picture, words):
    """Display a picture with its description."""
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    drawn = shell.display_formatter.formatters["image/png"](picture) if shell else None
    content, metadata = drawn if isinstance(drawn, tuple) else (drawn, {})
    if not content:  # not a notebook, or one that shows other formats
        raise NotImplementedError
    content = base64.b64encode(content).decode() if isinstance(content, bytes) else content
    bundle = {"text/plain": shell.display_formatter.formatters["text/plain"](picture), "image/png": content}
    if os.environ.get("JPY_SESSION_NAME"):  # Jupyter's server names the open notebook to its kernel
        width = f' width="{metadata["width"]}"' if "width" in metadata else ""
        source = f"data:image/png;base64,{bundle.pop('image/png')}"
        bundle["text/html"] = f'<img alt="{html.escape(words)}" src="{source}"{width}>'
    display(bundle, metadata={"image/png": metadata | {"alt": words}}, raw=True)
