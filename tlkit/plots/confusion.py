"""Which classes are taken for which."""

import functools

import numpy as np

# From this share on a cell is too dark for black numbers.
_DARK_SHARE = 0.55


def draw_confusion(confusion, classes, ax):
    """Draw a confusion matrix: shades are shares of the true class, numbers are pictures.

    Arguments
    ---------
    confusion: (n_classes, n_classes) int
        Row = true class, column = predicted class.
    classes: list of str
    ax: matplotlib axis

    Returns the axis. Raises ValueError where the two don't fit.

    >>> from matplotlib.figure import Figure
    >>> ax = draw_confusion([[3, 1], [0, 4]], ["bird", "bug"], Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['bird', 'bug']
    """
    draw_confusion_frame(classes, ax)
    draw_confusion_cells(confusion, ax)
    return ax


def draw_confusion_frame(classes, ax):
    """Draw what matrices of the same classes share: the axes and the names of the classes."""
    places = range(len(classes))
    ax.set_yticks(places, classes, fontsize=9)
    ax.set_xticks(places, classes, fontsize=9, rotation=45, ha="right", rotation_mode="anchor")
    ax.set(xlim=(-0.5, len(classes) - 0.5), ylim=(len(classes) - 0.5, -0.5), aspect="equal")
    ax.set_ylabel("true class")
    ax.set_xlabel("predicted class")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def draw_confusion_cells(confusion, ax):
    """Draw shades and numbers into the frame of as many classes."""
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
    for colour, outlines in numbers.items():
        if outlines:
            # One shape for all numbers, which no limit has to be adjusted to: as texts, or by add_patch, they would
            # take longer than all the rest of the drawing.
            shape = PathPatch(Path.make_compound_path(*outlines), color=colour, linewidth=0)
            shape.set_transform(ax.transData)
            ax.add_artist(shape)


@functools.cache
def _outline(text, bold):
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    outline = TextPath((0, 0), text, size=1, prop=FontProperties(weight="bold" if bold else "normal"))
    low, high = outline.vertices.min(axis=0), outline.vertices.max(axis=0)
    # Rows of a matrix count downwards, letters are drawn upwards.
    return Path((outline.vertices - (low + high) / 2) * (1, -1), outline.codes)
