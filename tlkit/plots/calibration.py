"""Reliability diagrams: accuracy against confidence."""

from matplotlib.axes import Axes

from tlkit.evaluation.calibration import Calibration
from tlkit.plots.style import COLOURS, TEXT_PT, measure_error_bars, with_plain_texts

_STRIP_HEIGHT = 0.2  # of the strip above the diagram, as a share of its height


@with_plain_texts
def draw_reliability(calibration: Calibration, ax: Axes) -> Axes:
    """Draw a reliability diagram: the accuracy of each bin over its mean confidence.

    Larger points have more pictures, and bars are 95 % intervals. A calibrated network's points lie in the gray band in
    95 of 100 samples; those above it are underconfident. A strip above shows the number of pictures per bin.

    Parameters
    ----------
    calibration, ax : Calibration and matplotlib Axes
        Result of `tlkit.evaluation.measure_calibration`, and the axes to draw on.

    Returns
    -------
    matplotlib Axes
        The axes that were given; the strip is a child of it.

    References
    ----------
    Murphy and Winkler, 1977. Reliability of subjective probability forecasts of precipitation and temperature.
    Bröcker and Smith, 2007. Increasing the reliability of reliability diagrams (the band).

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from tlkit.evaluation import measure_calibration
    >>> calibration = measure_calibration(np.full((10, 2), 0.5), np.arange(10) % 2)
    >>> draw_reliability(calibration, Figure().subplots()).get_xlabel()
    'confidence (probability of the predicted class)'
    """
    table = calibration.table
    for row in table.itertuples():
        label = "if calibrated, 95 %" if row.Index == 0 else None
        edges, band = [row.low, row.high], (row.calibrated_low, row.calibrated_high)
        ax.fill_between(edges, *band, color="0.82", linewidth=0, label=label)
    ax.plot([0, 1], [0, 1], color="0.4", linestyle="--", linewidth=1, label="accuracy = confidence")
    lengths = measure_error_bars(table["accuracy"], table["accuracy_low"], table["accuracy_high"])
    style = {"color": COLOURS[0], "linestyle": "none", "capsize": 3, "linewidth": 1}
    ax.errorbar(table["confidence"], table["accuracy"], yerr=lengths, **style)
    sizes = 16 + 120 * table["n"] / calibration.n
    label = "measured, 95 % interval"
    ax.scatter(table["confidence"], table["accuracy"], sizes, color=COLOURS[0], zorder=3, label=label)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence (probability of the predicted class)")
    ax.set_ylabel("accuracy (share correct)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=TEXT_PT, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False)
    strip = ax.inset_axes((0, 1.03, 1, _STRIP_HEIGHT), sharex=ax)
    # The number of pictures per bin, with the calibration error as title.
    strip.bar(table["low"], table["n"], table["high"] - table["low"], align="edge", color="0.7", edgecolor="black")
    strip.set_ylabel("pictures")
    strip.tick_params(labelbottom=False)
    title = f"calibration error {calibration.error:.3f}; if calibrated, up to {calibration.calibrated_high:.3f}"
    strip.set_title(title, fontsize="medium")
    return ax
