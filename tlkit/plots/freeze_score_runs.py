"""A freeze score in training and the results of scores: curves over epochs, and accuracies."""

from tlkit.names import format_strategy
from tlkit.plots.freeze_score import draw_score
from tlkit.plots.page import encode_png, make_canvas, read_canvas
from tlkit.plots.style import measure_error_bars, style_point

RUNS_SIZE_INCHES = (9.8, 2.9)
_SCORE_HEIGHT_INCHES = 3.6


def draw_training_curves(history, n_epochs, loss_ax, accuracy_ax):
    """Draw loss and accuracy on the training pictures over epochs, from the history of a `Run` (list of dict)."""
    epochs = [row["epoch"] for row in history]
    for index, (ax, name) in enumerate(((loss_ax, "loss"), (accuracy_ax, "accuracy"))):
        ax.plot(epochs, [row[name] for row in history], markersize=4, **style_point(index))
        ax.set(xlim=(0.5, max(n_epochs, 1) + 0.5), xlabel="epoch")
        ax.set_title(f"{name}, training pictures", fontsize=9)
        ax.grid(alpha=0.3)
        ax.locator_params(axis="x", integer=True, min_n_ticks=1)
    loss_ax.set_ylim(bottom=0)
    accuracy_ax.set_ylim(0, 1.03)
    if not history:
        loss_ax.set_ylim(0, 1)


def draw_score_accuracies(table, ax):
    """Draw one row per score from the table of `ScoreTrials`: accuracy on test pictures with its 95 % interval."""
    for index, row in enumerate(table.itertuples()):
        lengths = measure_error_bars([row.accuracy], [row.accuracy_low], [row.accuracy_high])
        ax.errorbar([row.accuracy], [index], xerr=lengths, capsize=3, **style_point(index))
    ax.set_yticks(range(len(table)), [format_strategy(name) for name in table["score"]], fontsize="small")
    ax.set_ylim(max(len(table), 1) - 0.5, -0.5)
    ax.set(xlim=(0, 1), xlabel="accuracy (share correct)")
    ax.set_title("test pictures, 95 % interval", fontsize=9)
    ax.grid(alpha=0.3)


def render_runs(history, n_epochs, table):
    """Return curves and accuracies as PNG (bytes)."""
    canvas = make_canvas(RUNS_SIZE_INCHES)
    _draw_runs(history, n_epochs, table, canvas.figure)
    return _encode(canvas)


def render_score_and_runs(score, history, n_epochs, table):
    """Return a score, above curves and accuracies if there are any, as PNG (bytes) with 256 colours."""
    width, height = RUNS_SIZE_INCHES
    if history or len(table):
        canvas = make_canvas((width, height + _SCORE_HEIGHT_INCHES))
        above, below = canvas.figure.subfigures(2, 1, height_ratios=(_SCORE_HEIGHT_INCHES, height))
        _draw_runs(history, n_epochs, table, below)
    else:
        canvas = make_canvas((width, _SCORE_HEIGHT_INCHES))
        above = canvas.figure
    draw_score(score, above.add_axes((0.1, 0.13, 0.76, 0.77)))
    return _encode(canvas, 256)


def _draw_runs(history, n_epochs, table, figure):
    """Draw curves and accuracies side by side."""
    # Axes have fixed positions: a new layout would take most of the time of a drawing that is repeated.
    loss, accuracy, results = (figure.add_axes((left, 0.18, 0.24, 0.68)) for left in (0.05, 0.35, 0.74))
    draw_training_curves(history, n_epochs, loss, accuracy)
    draw_score_accuracies(table, results)


def _encode(canvas, n_colours=None):
    """Draw a canvas and return it as PNG (bytes)."""
    canvas.draw()
    return encode_png(read_canvas(canvas), n_colours)
