"""Accuracies of strategies with their intervals."""

from tlkit.names import format_strategy
from tlkit.plots.letters import with_plain_texts
from tlkit.plots.style import (
    ACCURACY,
    SHOTS,
    TEXT_PT,
    finish_curves,
    finish_rows,
    measure_error_bars,
    style_curve,
    style_point,
)


@with_plain_texts
def draw_comparison(comparison, ax):
    """Draw accuracies of a `Comparison` with intervals: a row per strategy, or a curve over several shots."""
    table = comparison.table
    if table["shots"].nunique() == 1:
        _draw_rows(table, ax)
    else:
        _draw_curves(table, ax)
    return ax


def save_comparison(comparison, path):
    """Write the drawing of a comparison to a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    draw_comparison(comparison, figure.subplots())
    figure.savefig(path, format="png", dpi=150)


def _measure_lengths(arm):
    """Return the lengths of an arm's error bars, (2, n); a single seed has none."""
    return measure_error_bars(arm["accuracy"], arm["accuracy_low"], arm["accuracy_high"])


def _draw_rows(table, ax):
    """Draw one row per strategy, with its verdict above the point."""
    strategies = table["strategy"].tolist()
    for index, strategy in enumerate(strategies):
        arm = table[table["strategy"] == strategy]
        style = style_point(index) | {"linestyle": "none"}
        ax.errorbar(arm["accuracy"], [index], xerr=_measure_lengths(arm), capsize=4, **style)
        row = arm.iloc[0]
        verdict = row["verdict"] if row["verdict"] == "baseline" else f"{row['verdict']} ({row['gain']:+.2f})"
        style = {"textcoords": "offset points", "ha": "center", "fontsize": TEXT_PT}
        ax.annotate(verdict, (row["accuracy"], index), (0, 9), **style)
    names = [format_strategy(name) for name in strategies]
    finish_rows(ax, names, f"{ACCURACY}, mean and 95 % interval", top=-0.75)
    ax.set_xlim(0, min(1, max(0.1, table[["accuracy", "accuracy_high"]].max(axis=None) + 0.1)))
    ax.set_title(f"{table['shots'].iloc[0]} {SHOTS}")


def _draw_curves(table, ax):
    """Draw one curve per strategy over shots."""
    for index, strategy in enumerate(table["strategy"].unique()):
        arm = table[table["strategy"] == strategy]
        shots = arm["shots"] * 1.02 ** (index - 1)  # a little apart, so that overlapping intervals can be seen
        style = style_curve(index) | {"label": format_strategy(strategy), "capsize": 3}
        ax.errorbar(shots, arm["accuracy"], yerr=_measure_lengths(arm), **style)
    ax.set_xscale("log")
    shots = sorted(table["shots"].unique())
    ax.set_xticks(shots, [str(number) for number in shots])
    ax.minorticks_off()
    ax.set_ylim(0, 1)
    finish_curves(ax, SHOTS, ACCURACY)
