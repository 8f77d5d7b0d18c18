"""Accuracies of strategies with their intervals."""

# Okabe and Ito's colours, told apart by the colour-blind; markers and line styles tell them apart in gray.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")


def draw_comparison(comparison, ax):
    """Draw a `Comparison`: a row a strategy for one number of shots, else a curve a strategy over shots.

    Arguments
    ---------
    comparison: Comparison
    ax: matplotlib axis

    Returns the axis.
    """
    table = comparison.table
    if table["shots"].nunique() == 1:
        _draw_rows(table, ax)
    else:
        _draw_curves(table, ax)
    return ax


def save_comparison(comparison, path):
    """Write the drawing of a `Comparison` as a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    draw_comparison(comparison, figure.subplots())
    figure.savefig(path, format="png", dpi=150)


def _style(place):
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}


def _lengths(arm):
    # Without an interval (one seed) the point stands alone.
    below, above = arm["accuracy"] - arm["accuracy_low"], arm["accuracy_high"] - arm["accuracy"]
    return [below.fillna(0), above.fillna(0)]


def _draw_rows(table, ax):
    strategies = table["strategy"].tolist()
    for place, strategy in enumerate(strategies):
        arm = table[table["strategy"] == strategy]
        ax.errorbar(arm["accuracy"], [place], xerr=_lengths(arm), capsize=4, linestyle="none", **_style(place))
        row = arm.iloc[0]
        verdict = row["verdict"] if row["verdict"] == "baseline" else f"{row['verdict']} ({row['gain']:+.2f})"
        ax.annotate(
            verdict, (row["accuracy"], place), (0, 9), textcoords="offset points", ha="center", fontsize="small"
        )
    ax.set_yticks(range(len(strategies)), [name.replace("_", " ") for name in strategies])
    ax.set_ylim(len(strategies) - 0.5, -0.75)
    ax.set_xlim(0, min(1, max(0.1, table[["accuracy", "accuracy_high"]].max(axis=None) + 0.1)))
    ax.set_xlabel("accuracy on test pictures (share right), mean and 95 % interval")
    ax.set_title(f"{table['shots'].iloc[0]} training pictures a class")
    ax.grid(axis="x", alpha=0.3)


def _draw_curves(table, ax):
    for place, strategy in enumerate(table["strategy"].unique()):
        arm = table[table["strategy"] == strategy]
        # Side by side rather than on top of each other, where intervals overlap.
        shots = arm["shots"] * 1.02 ** (place - 1)
        line = LINES[place % len(LINES)]
        label = strategy.replace("_", " ")
        ax.errorbar(shots, arm["accuracy"], yerr=_lengths(arm), capsize=3, linestyle=line, label=label, **_style(place))
    ax.set_xscale("log")
    shots = sorted(table["shots"].unique())
    ax.set_xticks(shots, [str(number) for number in shots])
    ax.minorticks_off()
    ax.set_ylim(0, 1)
    ax.set_xlabel("training pictures a class")
    ax.set_ylabel("accuracy on test pictures (share right)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
