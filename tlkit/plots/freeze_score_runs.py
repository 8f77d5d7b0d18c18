"""A freeze score in training, and what scores came to: curves over epochs, accuracies beside each other."""

import io

from PIL import Image

from tlkit.names import format_strategy
from tlkit.plots.comparison import COLOURS, MARKERS
from tlkit.plots.freeze_score import draw_score

RUNS_SIZE_INCHES = (9.8, 2.9)
_SCORE_HEIGHT_INCHES = 3.6


def draw_training(history, n_epochs, loss_ax, accuracy_ax):
    """Draw loss and accuracy on the training pictures over the epochs.

    Arguments
    ---------
    history: list of dict
        As of a `Run`.
    n_epochs: int
        How many there will be.
    loss_ax, accuracy_ax: matplotlib axes
    """
    epochs = [row["epoch"] for row in history]
    for place, (ax, name) in enumerate(((loss_ax, "loss"), (accuracy_ax, "accuracy"))):
        ax.plot(epochs, [row[name] for row in history], color=COLOURS[place], marker=MARKERS[place], markersize=4)
        ax.set(xlim=(0.5, max(n_epochs, 1) + 0.5), xlabel="epoch")
        ax.set_title(f"{name}, training pictures", fontsize=9)
        ax.grid(alpha=0.3)
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
    loss_ax.set_ylim(bottom=0)
    accuracy_ax.set_ylim(0, 1.03)
    if not history:
        loss_ax.set_ylim(0, 1)


def draw_score_accuracies(table, ax):
    """Draw a row for each score that was run: accuracy on test pictures with its 95 % interval.

    Arguments
    ---------
    table: DataFrame
        As of `ScoreTrials`.
    ax: matplotlib axis
    """
    for place, row in enumerate(table.itertuples()):
        style = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
        lengths = [[row.accuracy - row.accuracy_low], [row.accuracy_high - row.accuracy]]
        ax.errorbar([row.accuracy], [place], xerr=lengths, capsize=3, **style)
    ax.set_yticks(range(len(table)), [format_strategy(name) for name in table["score"]], fontsize="small")
    ax.set_ylim(max(len(table), 1) - 0.5, -0.5)
    ax.set(xlim=(0, 1), xlabel="accuracy (share right)")
    ax.set_title("test pictures, 95 % interval", fontsize=9)
    ax.grid(alpha=0.3)


def render_runs(history, n_epochs, table):
    """Return curves and accuracies as a PNG (bytes)."""
    figure = _make_figure(RUNS_SIZE_INCHES)
    _draw_runs(history, n_epochs, table, figure)
    return _encode(figure)


def render_score_and_runs(score, history, n_epochs, table):
    """Return a score, with curves and accuracies below it where there are any, as a PNG (bytes) of 256 colours."""
    width, height = RUNS_SIZE_INCHES
    if history or len(table):
        figure = _make_figure((width, height + _SCORE_HEIGHT_INCHES))
        above, below = figure.subfigures(2, 1, height_ratios=(_SCORE_HEIGHT_INCHES, height))
        _draw_runs(history, n_epochs, table, below)
    else:
        above = figure = _make_figure((width, _SCORE_HEIGHT_INCHES))
    draw_score(score, above.add_axes((0.1, 0.13, 0.76, 0.77)))
    content = io.BytesIO()
    with Image.open(io.BytesIO(_encode(figure))) as picture:
        picture.convert("RGB").quantize(256).save(content, "PNG", optimize=True)
    return content.getvalue()


def _make_figure(size_inches):
    from matplotlib.figure import Figure

    return Figure(figsize=size_inches, dpi=100)


def _draw_runs(history, n_epochs, table, figure):
    # At fixed places: to lay them out anew would take most of the time of a drawing that is made again and again.
    loss, accuracy, results = (figure.add_axes((left, 0.18, 0.24, 0.68)) for left in (0.05, 0.35, 0.74))
    draw_training(history, n_epochs, loss, accuracy)
    draw_score_accuracies(table, results)


def _encode(figure):
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
