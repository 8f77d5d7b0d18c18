"""Transfer gains with their intervals: as bars that agree with the verdicts, and as a map of helps and harms."""

import numpy as np

from tlkit.evaluation.gains import MARGIN
from tlkit.plots.comparison import COLOURS, LINES, MARKERS

_SHORT = {"no difference that matters": "no difference"}
_LEAST_SCALE = 0.05  # of the map's colours: a gain of a point isn't to look like one of thirty
_DARK = 0.6  # from this share of the scale on a cell is too dark for black words


def draw_gains(gains, ax, *, margin=MARGIN):
    """Draw transfer gains over shots with their intervals: a curve an arm, zero and the margin around it.

    The bars are the intervals that the verdicts come from: what lies above zero helps, what lies below harms.

    Arguments
    ---------
    gains: DataFrame
        As `tlkit.evaluation.transfer_gain` returns it.
    ax: matplotlib axis
    margin: float
        Within which a gain makes no difference that matters; shaded.

    Returns the axis.
    """
    ax.axhspan(-margin, margin, color="0.88", zorder=0, label="no difference that matters")
    ax.axhline(0, color="black", linewidth=1)
    arms = gains["strategy"].drop_duplicates().tolist()
    shots = sorted(gains["shots"].unique())
    for place, arm in enumerate(arms):
        rows = gains[gains["strategy"] == arm]
        lengths = [(rows["gain"] - rows["gain_low"]).fillna(0), (rows["gain_high"] - rows["gain"]).fillna(0)]
        # Side by side rather than on top of each other, where intervals overlap.
        places = [shots.index(number) + 0.12 * (place - (len(arms) - 1) / 2) for number in rows["shots"]]
        style = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)], "capsize": 3}
        label = arm.replace("_", " ")
        ax.errorbar(places, rows["gain"], yerr=lengths, linestyle=LINES[place % len(LINES)], label=label, **style)
    ax.set_xticks(range(len(shots)), [str(number) for number in shots])
    ax.set_xlabel("training pictures a class")
    ax.set_ylabel(f"gain in accuracy over {gains['baseline'].iloc[0].replace('_', ' ')}")
    ax.grid(axis="y", alpha=0.3)
    ax.legend(fontsize="small")
    return ax


def draw_transfer_map(gains, ax, *, chosen=None):
    """Draw who helps and who harms: a row an arm, a column a number of shots, each with its gain and verdict.

    Arguments
    ---------
    gains: DataFrame
        As `tlkit.evaluation.transfer_gain` returns it.
    ax: matplotlib axis
    chosen: (str, int), optional
        An arm and a number of shots that gets a frame.

    Returns the axis. Harm is orange and has a minus sign, help is violet; the darker, the larger.
    """
    draw_map_frame(gains, ax)
    if chosen is not None:
        frame_cell(gains, ax, *chosen)
    return ax


def draw_map_frame(gains, ax):
    """Draw all of the map but the frame around a cell."""
    arms, shots = _list_cells(gains)
    table = gains.pivot_table(index="strategy", columns="shots", values="gain").loc[arms, shots]
    highest = max(np.nanmax(np.abs(table.to_numpy())), _LEAST_SCALE)
    ax.imshow(table, cmap="PuOr", vmin=-highest, vmax=highest, aspect="auto")
    for row in gains.itertuples():
        colour = "white" if abs(row.gain) > _DARK * highest else "black"
        said = f"{row.gain:+.2f}\n{_SHORT.get(row.verdict, row.verdict)}"
        place = shots.index(row.shots), arms.index(row.strategy)
        ax.text(*place, said, ha="center", va="center", fontsize=9, color=colour)
    ax.set_xticks(range(len(shots)), [str(number) for number in shots])
    ax.set_yticks(range(len(arms)), [arm.replace("_", " ") for arm in arms])
    ax.set_xlabel("training pictures a class")
    ax.set_title(f"gain in accuracy over {gains['baseline'].iloc[0].replace('_', ' ')}", fontsize=10)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def frame_cell(gains, ax, strategy, shots):
    """Draw a frame around one cell of the map."""
    from matplotlib.patches import Rectangle

    arms, numbers = _list_cells(gains)
    corner = numbers.index(shots) - 0.47, arms.index(strategy) - 0.47
    ax.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, linewidth=2.5, edgecolor="black"))


def _list_cells(gains):
    return gains["strategy"].drop_duplicates().tolist(), sorted(gains["shots"].unique().tolist())
