"""Colours, markers, words, matrices and small pictures that drawings share. Without matplotlib."""

import numpy as np
from PIL import ImageOps

# Okabe and Ito's colours can be told apart by colour-blind readers; markers and line styles do it in gray.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
# For artists that must not change the limits of their axes.
FIXED = {"scalex": False, "scaley": False}
# A ring marks the chosen point.
RING = {"marker": "o", "markersize": 17, "markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 1.8}
RING |= {"linestyle": "none", "zorder": 10}
TEXT_PT = 9  # no text of a drawing is smaller
ACCURACY = "accuracy on test pictures (share correct)"
SHOTS = "training pictures per class"
_DARK = 0.6  # from this share of the scale on, a cell is too dark for black text
PICTURE_PX = 128


def style_point(index):
    """Return colour and marker of the point with an index (dict)."""
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def style_curve(index):
    """Return colour, marker and line style of the curve with an index (dict)."""
    return style_point(index) | {"linestyle": LINES[index % len(LINES)]}


def shorten(name, n_letters=32):
    """Return the name of a class or domain for a drawing; the middle of a long one is left out."""
    # matplotlib leaves names that begin with "_" out of legends.
    name = f" {name}" if name.startswith("_") else str(name)
    return name if len(name) <= n_letters else f"{name[:9]}…{name[10 - n_letters :]}"


def measure_error_bars(middle, low, high):
    """Return the lengths of error bars below and above (n,) points, (2, n); 0 without an interval."""
    lengths = np.nan_to_num([np.subtract(middle, low), np.subtract(high, middle)])
    return np.maximum(lengths, 0)  # rounding may put an end past its point, by a hair


def finish_curves(ax, xlabel, ylabel):
    """Name the axes under curves, and add a grid and the legend."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=TEXT_PT)


def finish_rows(ax, names, xlabel, *, top=-0.5, **style):
    """Name the rows of a drawing, the first one at the top, and the axis below, and add a grid."""
    ax.set_yticks(range(len(names)), names, **style)
    ax.set(ylim=(max(len(names), 1) - 0.5, top), xlabel=xlabel)
    ax.grid(axis="x", alpha=0.3)


def hide_frame(ax):
    """Hide the ticks and the frame of axes; their labels stay."""
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def frame_sheet(ax, width, height):
    """Prepare axes for a sheet of pictures: no ticks, no frame, the origin at the top left."""
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    ax.set_axis_off()


def draw_matrix(values, texts, rows, columns, ax, *, limits, fontsize=TEXT_PT, **image):
    """Draw (n_rows, n_columns) values as shades between limits (low, high), with texts {(row, column): str}."""
    low, high = limits
    ax.imshow(values, vmin=low, vmax=high, **image)
    for (row, column), text in texts.items():
        value = values[row, column]
        colour = "white" if value > _DARK * high or value < _DARK * low < 0 else "black"
        ax.text(column, row, text, ha="center", va="center", fontsize=fontsize, color=colour)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    hide_frame(ax)


def draw_thumbnail(picture, caption, left, top, pitch_px, ax, *, weight="normal"):
    """Draw a PIL picture in the middle of a column `pitch_px` wide, with a caption below it; return its artist."""
    picture = ImageOps.contain(picture, (PICTURE_PX, PICTURE_PX))
    left_edge, bottom = left + (pitch_px - picture.width) / 2, top + PICTURE_PX
    limits = ax.get_xlim(), ax.get_ylim()
    edges = (left_edge, left_edge + picture.width, bottom, bottom - picture.height)
    drawn = ax.imshow(picture, extent=edges, interpolation="none")  # pixel by pixel, since it is small already
    ax.set(xlim=limits[0], ylim=limits[1])  # the picture has moved them
    ax.text(left + pitch_px / 2, bottom + 3, caption, ha="center", va="top", fontsize=TEXT_PT, fontweight=weight)
    return drawn
