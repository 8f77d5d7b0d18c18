"""A freeze score in training and the results of scores: curves over epochs, and accuracies."""

from tlkit.names import format_strategy
from tlkit.plots.freeze_score import draw_score
from tlkit.plots.style import measure_error_bars, style_point
from tlkit.plots.vector import make_canvas, make_vector_canvas, mark, render_figure, render_vector

# Of the drawing beside the grid: two curves above the accuracies; and of the still picture: all three below the score.
RUNS_SIZE_INCHES, _STILL_SIZE_INCHES = (4.9, 3.9), (9.8, 2.9)
_RUNS_BOXES = (0.085, 0.6, 0.36, 0.32), (0.6, 0.6, 0.36, 0.32), (0.26, 0.12, 0.7, 0.28)
_STILL_BOXES = tuple((left, 0.18, 0.24, 0.68) for left in (0.05, 0.35, 0.74))
_SCORE_HEIGHT_INCHES = 3.6


def draw_training_curves(history, n_epochs, loss_ax, accuracy_ax):
    """Draw loss and accuracy on the training pictures over epochs, from the history of a `Run` (list of dict)."""
    epochs = [row["epoch"] for row in history]
    for index, (ax, name) in enumerate(((loss_ax, "loss"), (accuracy_ax, "accuracy"))):
        values = [row[name] for row in history]
        words = [f"{name} {value:.3g} after epoch {epoch}" for epoch, value in zip(epochs, values, strict=True)]
        mark(ax.plot(epochs, values, markersize=4, **style_point(index))[0], "epoch", index, words=words)
        ax.set(xlim=(0.5, max(n_epochs, 1) + 0.5), xlabel="epoch")
        ax.set_title(f"{name}, training pictures", fontsize=9)
        ax.grid(alpha=0.3)
        ax.locator_params(axis="x", nbins=6, integer=True, min_n_ticks=1)
    loss_ax.set_ylim(bottom=0)
    accuracy_ax.set_ylim(0, 1.03)
    if not history:
        loss_ax.set_ylim(0, 1)


def draw_score_accuracies(table, ax):
    """Draw one row per score from the table of `ScoreTrials`: accuracy on test pictures with its 95 % interval."""
    for index, row in enumerate(table.itertuples()):
        lengths = measure_error_bars([row.accuracy], [row.accuracy_low], [row.accuracy_high])
        bar = ax.errorbar([row.accuracy], [index], xerr=lengths, capsize=3, **style_point(index))
        words = f"{row.accuracy:.2f} (95 % interval {row.accuracy_low:.2f} to {row.accuracy_high:.2f})"
        mark(bar[0], "score", index, words=f"{format_strategy(row.score)}: {words}")
    ax.set_yticks(range(len(table)), [format_strategy(name) for name in table["score"]], fontsize=9)
    ax.set_ylim(max(len(table), 1) - 0.5, -0.5)
    ax.set(xlim=(0, 1), xlabel="accuracy (share correct)")
    ax.set_title("test pictures, 95 % interval", fontsize=9)
    ax.grid(alpha=0.3)


def render_runs(history, n_epochs, table):
    """Return curves and accuracies as SVG (str)."""
    figure = make_vector_canvas(RUNS_SIZE_INCHES).figure
    _draw_runs(history, n_epochs, table, figure, _RUNS_BOXES)
    return render_vector([figure], RUNS_SIZE_INCHES)


def render_score_and_runs(score, history, n_epochs, table):
    """Return a score, above curves and accuracies if there are any, as PNG (bytes)."""
    width, height = _STILL_SIZE_INCHES
    if history or len(table):
        figure = make_canvas((width, height + _SCORE_HEIGHT_INCHES)).figure
        above, below = figure.subfigures(2, 1, height_ratios=(_SCORE_HEIGHT_INCHES, height))
        _draw_runs(history, n_epochs, table, below, _STILL_BOXES)
    else:
        figure = above = make_canvas((width, _SCORE_HEIGHT_INCHES)).figure
    draw_score(score, above.add_axes((0.1, 0.13, 0.76, 0.77)))
    return render_figure(figure, 256)


def _draw_runs(history, n_epochs, table, figure, boxes):
    """Draw curves and accuracies on axes in three boxes (left, bottom, width, height)."""
    # Axes have fixed positions: a new layout would take most of the time of a drawing that is repeated.
    loss, accuracy, results = map(figure.add_axes, boxes)
    draw_training_curves(history, n_epochs, loss, accuracy)
    draw_score_accuracies(table, results)
