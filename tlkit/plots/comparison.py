"""Accuracies of strategies with their intervals, and a page on one of them: its confusion matrix and its mistakes."""

import functools

from matplotlib.figure import Figure

from tlkit.names import format_strategy
from tlkit.plots.confusion import draw_confusion_cells, draw_confusion_frame
from tlkit.plots.style import (
    ACCURACY,
    FIXED,
    RING,
    SHOTS,
    TEXT_PT,
    draw_thumbnail,
    finish_curves,
    finish_rows,
    frame_sheet,
    measure_error_bars,
    name_inputs,
    shorten,
    style_curve,
    style_point,
    with_plain_texts,
)
from tlkit.plots.vector import Page, mark


@with_plain_texts
def draw_comparison(comparison, ax):
    """Draw accuracies of a `Comparison` with intervals: a row per strategy, or a curve over several shots."""
    table = comparison.table
    shots, accuracy = (name_inputs(words, comparison.description) for words in (SHOTS, ACCURACY))
    if "accuracy" not in table:  # pictures with several labels
        accuracy = "mean average precision"
        table = table.rename(columns=lambda name: name.replace("mean_average_precision", "accuracy"))
    if table["shots"].nunique() == 1:
        _draw_rows(table, ax)
        ax.set(xlabel=f"{accuracy}, mean and 95 % interval", title=f"{table['shots'].iloc[0]} {shots}")
    else:
        _draw_curves(table, ax)
        finish_curves(ax, shots, accuracy)
    return ax


def save_comparison(comparison, path):
    """Write the drawing of a comparison to a PNG file."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    draw_comparison(comparison, figure.subplots())
    figure.savefig(path, format="png", dpi=150)


def _draw_rows(table, ax):
    """Draw one row per strategy, with its verdict above the point."""
    strategies = table["strategy"].tolist()
    for index, strategy in enumerate(strategies):
        arm = table[table["strategy"] == strategy]
        lengths = measure_error_bars(arm["accuracy"], arm["accuracy_low"], arm["accuracy_high"])
        ax.errorbar(arm["accuracy"], [index], xerr=lengths, capsize=4, **style_point(index) | {"linestyle": "none"})
        row = arm.iloc[0]
        verdict = row["verdict"] if row["verdict"] == "baseline" else f"{row['verdict']} ({row['gain']:+.2f})"
        style = {"textcoords": "offset points", "ha": "center", "fontsize": TEXT_PT}
        ax.annotate(verdict, (row["accuracy"], index), (0, 9), **style)
    names = [format_strategy(name) for name in strategies]
    finish_rows(ax, names, "", top=-0.75)
    ax.set_xlim(0, min(1, max(0.1, table[["accuracy", "accuracy_high"]].max(axis=None) + 0.1)))


def _draw_curves(table, ax):
    """Draw one curve per strategy over shots."""
    for index, strategy in enumerate(table["strategy"].unique()):
        arm = table[table["strategy"] == strategy]
        shots = arm["shots"] * 1.02 ** (index - 1)  # a little apart, so that overlapping intervals can be seen
        style = style_curve(index) | {"label": format_strategy(strategy), "capsize": 3}
        lengths = measure_error_bars(arm["accuracy"], arm["accuracy_low"], arm["accuracy_high"])
        ax.errorbar(shots, arm["accuracy"], yerr=lengths, **style)
    ax.set_xscale("log")
    shots = sorted(table["shots"].unique())
    ax.set_xticks(shots, [str(number) for number in shots])
    ax.minorticks_off()
    ax.set_ylim(0, 1)


SIZE_INCHES = (9.2, 6.5)


def make_comparison_page(comparison, classes, read_picture):
    """Return the page that draws one arm of a comparison after another."""
    draw_static = functools.partial(_draw_static, comparison, classes)
    return Page(SIZE_INCHES, draw_static, functools.partial(_draw_dynamic, comparison.table, read_picture))


def _draw_static(comparison, classes, figure):
    """Draw the overview and the frames of the other two; return the three axes."""
    overview = figure.add_axes((0.075, 0.565, 0.39, 0.395))
    draw_comparison(comparison, overview)
    overview.set_title("mean accuracy and 95 % interval", fontsize=10)
    confusion = figure.add_axes((0.56, 0.56, 0.43, 0.4))
    draw_confusion_frame(classes, confusion)
    confusion.set_title("confusion matrix: test pictures of all seeds", fontsize=10)
    mistakes = figure.add_axes((0.0, 0.0, 1.0, 0.43))
    draw_mistakes_frame(mistakes)
    return overview, confusion, mistakes


def _draw_dynamic(table, read_picture, summary, axes):
    """Mark the arm in the overview, and draw its confusion matrix and mistakes."""
    overview, confusion, mistakes = axes
    # With one number of shots the overview has one row per strategy, else one curve over shots.
    by_row = table["shots"].nunique() == 1
    row = table["strategy"].tolist().index(summary.choice.strategy)
    point = (summary.accuracy, row) if by_row else (summary.choice.shots, summary.accuracy)
    overview.plot(*point, **RING, **FIXED)
    draw_confusion_cells(summary.confusion, confusion)
    draw_mistakes(summary.mistakes, read_picture, mistakes)
    n_shown = min(len(summary.mistakes), N_COLUMNS * N_ROWS)
    heading = f"mistakes: the {n_shown} most confident of {len(summary.mistakes)}, true → predicted class (probability)"
    mistakes.text(0.0, 1.02, heading, transform=mistakes.transAxes, fontsize=10)


_PITCH_PX, _ROW_PX = 160, 170
N_COLUMNS, N_ROWS = 7, 2


@with_plain_texts
def draw_mistakes(mistakes, read_picture, ax):
    """Draw wrongly predicted pictures, each with its true class, predicted class and probability."""
    # `mistakes` are those of an `ArmSummary`, as far as they fit; `read_picture` returns the PIL picture of a name.
    for index, mistake in enumerate(mistakes.head(N_COLUMNS * N_ROWS).itertuples()):
        row, column = divmod(index, N_COLUMNS)
        caption = f"{shorten(mistake.label, 18)}\n→ {shorten(mistake.predicted, 11)} ({mistake.probability:.2f})"
        corner = column * _PITCH_PX, row * _ROW_PX
        drawn = draw_thumbnail(read_picture(mistake.picture), caption, *corner, _PITCH_PX, ax)
        words = f"{mistake.picture}: {mistake.label}, predicted {mistake.predicted} ({mistake.probability:.2f})"
        mark(drawn, "mistake", index, words=words)
    if mistakes.empty:
        ax.text(N_COLUMNS * _PITCH_PX / 2, N_ROWS * _ROW_PX / 2, "no mistakes", ha="center", va="center")
    return ax


def draw_mistakes_frame(ax):
    """Set the limits of axes to the sheet of `draw_mistakes`."""
    frame_sheet(ax, N_COLUMNS * _PITCH_PX, N_ROWS * _ROW_PX)
