"""Reliability diagrams: how often what is said with so much confidence comes true."""

import numpy as np

from tlkit.plots.comparison import COLOURS

_CONFIDENCES_HEIGHT = 0.2  # of the strip above the diagram, as a share of its height


def draw_reliability(calibration, ax):
    """Draw a reliability diagram (Murphy and Winkler 1977, Reliability of subjective probability forecasts).

    A point a bin, with the 95 % interval of its accuracy, over its mean confidence; larger points have more pictures.
    Where every probability is true a point lies in the gray band in 95 of 100 draws (Bröcker and Smith 2007): above it
    the network is not sure enough, below it too sure. A strip above says how many pictures each bin has.

    Arguments
    ---------
    calibration: Calibration
    ax: matplotlib axis

    Returns the axis; the strip is a child of it.

    >>> from matplotlib.figure import Figure
    >>> from tlkit.evaluation import measure_calibration
    >>> calibration = measure_calibration(np.full((10, 2), 0.5), np.arange(10) % 2)
    >>> draw_reliability(calibration, Figure().subplots()).get_xlabel()
    'confidence (probability of the predicted class)'
    """
    table = calibration.table
    for row in table.itertuples():
        label = "if all is true, 95 %" if row.Index == 0 else None
        edges, band = [row.low, row.high], (row.calibrated_low, row.calibrated_high)
        ax.fill_between(edges, *band, color="0.82", linewidth=0, label=label)
    ax.plot([0, 1], [0, 1], color="0.4", linestyle="--", linewidth=1, label="as often as said")
    lengths = [table["accuracy"] - table["accuracy_low"], table["accuracy_high"] - table["accuracy"]]
    style = {"color": COLOURS[0], "linestyle": "none", "capsize": 3, "linewidth": 1}
    # Rounding may put an interval's end past its middle, by a hair.
    ax.errorbar(table["confidence"], table["accuracy"], yerr=np.maximum(lengths, 0), **style)
    sizes = 16 + 120 * table["n"] / calibration.n
    label = "seen, 95 % interval"
    ax.scatter(table["confidence"], table["accuracy"], sizes, color=COLOURS[0], zorder=3, label=label)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.set_xlabel("confidence (probability of the predicted class)")
    ax.set_ylabel("accuracy (share right)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False)
    _draw_confidences(calibration, ax.inset_axes((0, 1.03, 1, _CONFIDENCES_HEIGHT), sharex=ax))
    return ax


def _draw_confidences(calibration, strip):
    table = calibration.table
    strip.bar(table["low"], table["n"], table["high"] - table["low"], align="edge", color="0.7", edgecolor="black")
    strip.set_ylabel("pictures")
    strip.tick_params(labelbottom=False)
    title = f"calibration error {calibration.error:.3f}; true probabilities: up to {calibration.calibrated_high:.3f}"
    strip.set_title(title, fontsize="medium")
