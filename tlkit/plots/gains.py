"""Transfer gains: as curves with the intervals that the verdicts come from, and as a map of verdicts."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from pandas import DataFrame

from tlkit.evaluation.gains import MARGIN
from tlkit.names import format_strategy
from tlkit.plots.style import SHOTS, hide_frame, measure_error_bars, style_curve, style_point, with_plain_texts
from tlkit.plots.vector import ON_DARK, ON_LIGHT, QUIET, mark

_SHORT = {"no difference that matters": "no\ndifference", "can't tell": "can't\ntell"}
_LEAST_SCALE = 0.05  # of the map's colours, so that a gain of 0.01 does not look like one of 0.30
_DARK = 0.6  # from this share of the scale on, a cell is too dark for black text


@with_plain_texts
def draw_gains(gains: DataFrame, ax: Axes, *, margin: float = MARGIN) -> Axes:
    """Draw transfer gains over shots with their intervals, one curve per arm.

    The intervals are those of the verdicts: an arm helps if its interval lies above zero, and harms if it lies below.

    Parameters
    ----------
    gains, ax : DataFrame and matplotlib Axes
        Result of `tlkit.evaluation.transfer_gain`, and the axes to draw on.
    margin : float
        Largest gain that makes no difference that matters; the area within it is shaded.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> columns = ["strategy", "shots", "gain", "gain_low", "gain_high", "verdict", "baseline"]
    >>> gains = pd.DataFrame([("lp_ft", 5, 0.1, 0.05, 0.15, "helps", "linear_probe")], columns=columns)
    >>> draw_gains(gains, Figure().subplots()).get_ylabel()
    'gain in accuracy over linear probe'
    """
    ax.axhspan(-margin, margin, color=QUIET, alpha=0.15, zorder=0, label="no difference that matters")
    ax.axhline(0, color="black", linewidth=1)
    arms, shots = _list_cells(gains)
    for index, arm in enumerate(arms):
        rows = gains[gains["strategy"] == arm]
        lengths = measure_error_bars(rows["gain"], rows["gain_low"], rows["gain_high"])
        # Arms are drawn side by side, so that overlapping intervals can be seen.
        columns = [shots.index(number) + 0.12 * (index - (len(arms) - 1) / 2) for number in rows["shots"]]
        ax.errorbar(columns, rows["gain"], lengths, label=format_strategy(arm), capsize=3, **style_curve(index))
    ax.set_xticks(range(len(shots)), [str(number) for number in shots])
    ax.set(xlabel=SHOTS, ylabel=_name_gain(gains))
    ax.grid(axis="y", alpha=0.3)
    ax.legend(fontsize=9)
    return ax


@with_plain_texts
def draw_pool(table, mean, ax):
    """Draw the gains of a class with their intervals, sorted; those that miss the mean of all have another colour."""
    table = table.sort_values("gain", ignore_index=True)
    for index, (covers, label) in enumerate([(True, "covers the pooled mean"), (False, "misses it")]):
        rows = table[table["covers"] == covers]
        lengths = measure_error_bars(rows["gain"], rows["gain_low"], rows["gain_high"])
        style = style_point(index) | {"linestyle": "none", "capsize": 2, "label": f"{label}: {len(rows)}"}
        ax.errorbar(rows.index + 1, rows["gain"], yerr=lengths, **style)
    ax.axhline(mean, color="black", linewidth=1, label=f"pooled mean {mean:.3f}")
    ax.set(xlabel="students, by their gain", ylabel="gain in accuracy, with its 95 % interval")
    ax.legend(fontsize=9)
    return ax


@with_plain_texts
def draw_transfer_map(gains: DataFrame, ax: Axes, *, chosen: tuple[str, int] | None = None) -> Axes:
    """Draw a map of gains and verdicts: one row per arm, one column per number of shots.

    Harm is orange with a minus sign, help is violet; darker cells are larger gains or losses.

    Parameters
    ----------
    gains, ax, chosen : DataFrame, matplotlib Axes, and (str, int), optional
        Result of `transfer_gain`, the axes to draw on, and arm and shots of a cell to frame.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> columns = ["strategy", "shots", "gain", "gain_low", "gain_high", "verdict", "baseline"]
    >>> gains = pd.DataFrame([("lp_ft", 5, 0.1, 0.05, 0.15, "helps", "linear_probe")], columns=columns)
    >>> draw_transfer_map(gains, Figure().subplots()).texts[0].get_text().split()
    ['+0.10', 'helps']
    """
    arms, shots = _list_cells(gains)
    draw_map_frame([format_strategy(arm) for arm in arms], shots, ax)
    ax.set_title(_name_gain(gains), fontsize=10)
    draw_map_cells(gains, ax)
    if chosen is not None:
        frame_cell(gains, ax, *chosen)
    return ax


def draw_map_frame(names, shots, ax):
    """Draw the axes of a map with the names of its rows and numbers of shots, without cells."""
    ax.set_xticks(range(len(shots)), [str(number) for number in shots])
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(-0.5, len(shots) - 0.5), ylim=(len(names) - 0.5, -0.5), xlabel=SHOTS)
    hide_frame(ax)


def draw_map_cells(gains, ax):
    """Draw the cells of a map, each with its gain and verdict."""
    arms, shots = _list_cells(gains)
    highest = max(gains["gain"].abs().max(), _LEAST_SCALE)
    for row in gains.itertuples():
        place, share = (arms.index(row.strategy), shots.index(row.shots)), row.gain / highest
        cell = Rectangle((place[1] - 0.5, place[0] - 0.5), 1, 1, facecolor=colormaps["PuOr"]((1 + share) / 2))
        words = f"{format_strategy(row.strategy)}, {row.shots} shot{'s' * (row.shots > 1)}: {format_gain(row)}"
        ax.add_artist(mark(cell, "cell", *place, words=words))
        text = f"{row.gain:+.2f}\n{_SHORT.get(row.verdict, row.verdict)}"
        style = {"ha": "center", "va": "center", "fontsize": 9, "color": ON_DARK if abs(share) > _DARK else ON_LIGHT}
        ax.text(*place[::-1], text, **style)


def format_gain(row):
    """Return gain, interval and verdict of a row of the table in a few words."""
    interval = f" ({row.gain_low:+.2f} to {row.gain_high:+.2f})" if np.isfinite(row.gain_low) else ""
    return f"{row.gain:+.2f}{interval}, {row.verdict}"


def frame_cell(gains, ax, strategy, shots):
    """Draw a frame around one cell of the map."""
    arms, numbers = _list_cells(gains)
    corner = numbers.index(shots) - 0.47, arms.index(strategy) - 0.47
    for width, colour in ((5, ON_DARK), (2.5, ON_LIGHT)):  # visible on light and dark cells
        ax.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, linewidth=width, edgecolor=colour))


def _list_cells(gains):
    """Return the arms, in their order, and the numbers of shots, ascending (two lists)."""
    return gains["strategy"].drop_duplicates().tolist(), sorted(gains["shots"].unique().tolist())


def _name_gain(gains):
    """Return the label of the gains, with the name of their baseline."""
    return f"gain in accuracy over {format_strategy(gains['baseline'].iloc[0])}"
