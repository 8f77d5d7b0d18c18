"""Colours, markers, lines and words that drawings share. Without matplotlib."""

import numpy as np

# Okabe and Ito's colours can be told apart by colour-blind readers; markers and line styles do it in gray.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
# For artists that must not change the limits of their axes.
FIXED = {"scalex": False, "scaley": False}
# A ring marks the chosen point.
RING = {"marker": "o", "markersize": 17, "markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 1.8}
RING |= {"linestyle": "none", "zorder": 10}
ACCURACY = "accuracy on test pictures (share correct)"
SHOTS = "training pictures per class"


def style_point(index):
    """Return colour and marker of the point with an index (dict)."""
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def style_curve(index):
    """Return colour, marker and line style of the curve with an index (dict)."""
    return style_point(index) | {"linestyle": LINES[index % len(LINES)]}


def measure_error_bars(middle, low, high):
    """Return the lengths of error bars below and above (n,) points, (2, n); 0 without an interval."""
    lengths = np.nan_to_num([np.subtract(middle, low), np.subtract(high, middle)])
    return np.maximum(lengths, 0)  # rounding may put an end past its point, by a hair


def hide_frame(ax):
    """Hide the ticks and the frame of axes; their labels stay."""
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def frame_sheet(ax, width, height):
    """Prepare axes for a sheet of pictures: no ticks, no frame, the origin at the top left."""
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    ax.set_axis_off()
