"""Confusion matrices."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from tlkit.plots.style import hide_frame, shorten, with_plain_texts
from tlkit.plots.vector import ON_DARK, ON_LIGHT, mark

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
    confusion = np.asarray(confusion)
    n_classes = len(ax.get_yticks())
    if confusion.shape != (n_classes, n_classes):
        raise ValueError(f"confusion: shape {confusion.shape} with {n_classes} classes, expected a row and column each")
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shades = colormaps["Blues"](shares)
    names, size = [label.get_text() for label in ax.get_yticklabels()], 9 * min(1, 12 / n_classes)
    for true, predicted in zip(*np.nonzero(confusion), strict=True):
        share, n_pictures = shares[true, predicted], confusion[true, predicted]
        cell = Rectangle((predicted - 0.5, true - 0.5), 1, 1, facecolor=shades[true, predicted], clip_on=False)
        words = f"{names[true]} predicted as {names[predicted]}: {n_pictures} ({share:.0%})"
        ax.add_artist(mark(cell, "cell", true, predicted, words=words))
        style = {"color": ON_DARK if share > _DARK_SHARE else ON_LIGHT, "fontsize": size, "ha": "center"}
        weight = "bold" if true == predicted else "normal"
        ax.text(predicted, true, str(n_pictures), va="center", fontweight=weight, **style)
