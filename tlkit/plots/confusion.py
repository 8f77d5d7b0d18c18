"""Results by class: confusion matrices, and recalls before and after."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from pandas import DataFrame

from tlkit.names import format_strategy
from tlkit.plots.style import COLOURS, FIXED, hide_frame, shorten, with_plain_texts
from tlkit.plots.vector import ON_DARK, ON_LIGHT, QUIET, mark

_DARK_SHARE = 0.55  # from this share on, a cell is too dark for black numbers
COLUMNS = ("source_only", "method")
BEFORE = {"marker": "o", "linestyle": "none", "color": "black", "markerfacecolor": "white", "markersize": 7}
AFTER = {"marker": "s", "linestyle": "none", "color": COLOURS[2], "markeredgecolor": "black", "markersize": 6}
MOST_READABLE = 100  # classes of a matrix with labels in full size; a larger drawing would need gigabytes
_MOST_LABELS = 36  # that don't overlap on a page


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
    size = 9 * min(1, MOST_READABLE / len(names))
    ax.set_yticks(indices, names, fontsize=size)
    ax.set_xticks(indices, names, fontsize=size, rotation=45, ha="right", rotation_mode="anchor")
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


@with_plain_texts
def draw_recalls(recalls: DataFrame, ax: Axes, *, method: str, numbers: dict[str, int] | None = None) -> Axes:
    """Draw the recall of each class, by source only and by a method of adaptation: one row per class.

    Parameters
    ----------
    recalls, ax : DataFrame and matplotlib Axes
        Columns class, n (pictures), source_only and method (shares), and the axes to draw on.
    method : str
        Name of the method, for the legend.
    numbers : dict of str to int, optional
        Numbers of the classes, such as the `class_numbers` of a `DomainMap`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> recalls = pd.DataFrame({"class": ["bird"], "n": [4], "source_only": [0.25], "method": [0.75]})
    >>> draw_recalls(recalls, Figure().subplots(), method="coral").texts[0].get_text()
    'bird (4)'
    """
    draw_recall_frame(len(recalls), ax)
    draw_recall_rows(recalls, ax, numbers or {})
    handles = ax.lines[-2:]
    ax.legend(handles, ["source only", format_strategy(method)], fontsize=9, loc="lower center", ncols=2)
    return ax


def draw_recall_frame(n_rows, ax):
    """Draw the static part of such a drawing with a number of rows."""
    ax.set(xlim=(-0.03, 1.03), ylim=(n_rows - 0.4, -0.6), xlabel="recall (share of the class correct)", yticks=[])
    ax.grid(axis="x", alpha=0.3)


def measure_labels(classes):
    """Return the width in inches that the labels of some classes need."""
    return 0.55 + 0.075 * max(len(shorten(name)) for name in classes)


def draw_recall_rows(recalls, ax, numbers, *, columns=COLUMNS):
    """Draw the rows; `columns` are the shares before and after, `numbers` maps classes to numbers."""
    rows, shares = np.arange(len(recalls)), [recalls[column].to_numpy() for column in columns]
    words, step = [], math.ceil(len(recalls) / _MOST_LABELS)
    for row, (name, n, before, after) in enumerate(zip(recalls["class"], recalls["n"], *shares, strict=True)):
        label = f"{numbers[name]}  {shorten(name)} ({n})" if name in numbers else f"{shorten(name)} ({n})"
        if row % step == 0:
            ax.text(-0.05, row, label, fontsize=9, ha="right", va="center")
        words.append(f"{name}: recall {before:.2f} → {after:.2f} ({after - before:+.2f}), {n} pictures")
    loses = shares[1] < shares[0]
    style = {"colors": np.where(loses, "black", QUIET), "linestyles": np.where(loses, ":", "-"), "linewidths": 2}
    ends = np.stack([np.column_stack([share, rows]) for share in shares], axis=1)
    ax.add_collection(LineCollection(ends, zorder=1, **style), autolim=False)
    for share, style in zip(shares, (BEFORE, AFTER), strict=True):
        mark(ax.plot(share, rows, **style, **FIXED)[0], "class", words=words)
