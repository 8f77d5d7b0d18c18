"""Confusion matrices."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tlkit.plots.letters import with_plain_texts
from tlkit.plots.style import hide_frame, shorten

_DARK_SHARE = 0.55  # from this share on, a cell is too dark for black numbers


@with_plain_texts
def draw_confusion(confusion: ArrayLike, classes: Sequence[str], ax: Axes) -> Axes:
    """Draw a confusion matrix: shades are shares of the true class, numbers are pictures.

    Parameters
    ----------
    confusion : (n_classes, n_classes) array of int
        Number of pictures; rows are true classes, columns predicted classes. ValueError if its size differs.
    classes : list of str
        Names of the classes.
    ax : matplotlib Axes
        Axes to draw on.

    Returns
    -------
    matplotlib Axes
        The axes that were given.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> draw_confusion([[3, 1], [0, 4]], ["bird", "bug"], Figure().subplots()).get_xlabel()
    'predicted class'
    """
    draw_confusion_frame(classes, ax)
    draw_confusion_cells(confusion, ax)
    return ax


def draw_confusion_frame(classes, ax):
    """Draw the axes and class names, the static part of a confusion matrix."""
    indices, names = range(len(classes)), [shorten(name) for name in classes]
    ax.set_yticks(indices, names, fontsize=9)
    ax.set_xticks(indices, names, fontsize=9, rotation=45, ha="right", rotation_mode="anchor")
    ax.set(xlim=(-0.5, len(classes) - 0.5), ylim=(len(classes) - 0.5, -0.5), aspect="equal")
    ax.set(xlabel="predicted class", ylabel="true class")
    hide_frame(ax)


def draw_confusion_cells(confusion, ax):
    """Draw shades and numbers of (n_classes, n_classes) counts into a frame."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    confusion = np.asarray(confusion)
    n_classes = len(ax.get_yticks())
    if confusion.shape != (n_classes, n_classes):
        raise ValueError(
            f"confusion: shape {confusion.shape} with {n_classes} classes, expected a row and a column for each"
        )
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    numbers = {"black": [], "white": []}
    size = 0.5 * min(1, n_classes / 12)
    for true, predicted in zip(*np.nonzero(confusion), strict=True):
        colour = "white" if shares[true, predicted] > _DARK_SHARE else "black"
        outline = _outline(str(confusion[true, predicted]), bold=bool(true == predicted))
        numbers[colour].append(Path(outline.vertices * size + (predicted, true), outline.codes))
    # All numbers of a colour are one shape, added without adjusting limits. As texts, or with add_patch, they would
    # take longer than the rest of the drawing.
    for colour, outlines in numbers.items():
        if outlines:
            shape = PathPatch(Path.make_compound_path(*outlines), color=colour, linewidth=0)
            shape.set_transform(ax.transData)
            ax.add_artist(shape)


@functools.cache
def _outline(text, bold):
    """Return the outline of a text as a path of size 1 around the origin."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    outline = TextPath((0, 0), text, size=1, prop=FontProperties(weight="bold" if bold else "normal"))
    low, high = outline.vertices.min(axis=0), outline.vertices.max(axis=0)
    # The rows of a matrix count downwards, letters are drawn upwards.
    return Path((outline.vertices - (low + high) / 2) * (1, -1), outline.codes)
