"""The figures of a run folder: training curves, confusion matrix and mistakes."""

from tlkit.inspection.training_curves import summarise_training
from tlkit.plots.comparison import draw_mistakes, draw_mistakes_frame
from tlkit.plots.confusion import draw_confusion
from tlkit.plots.training import draw_training
from tlkit.plots.vector import make_canvas, render_figure
from tlkit.storage import written_whole


def write_figures(run, evaluation, test, folder):
    """Write PNG files of a run and its `Evaluation` on an ImageSet into a folder."""
    table = evaluation.predictions[["picture", "label", "predicted"]].assign(
        probability=evaluation.probabilities.max(1)
    )
    mistakes = table[table["label"] != table["predicted"]].sort_values("probability", ascending=False, kind="stable")
    row_of = {name: row for row, name in enumerate(test.names.tolist())}

    def draw_sheet(ax):
        draw_mistakes_frame(ax)
        draw_mistakes(mistakes, lambda name: test.read(row_of[name]), ax)

    side = 3 + 0.35 * len(run.classes)
    drawings = {
        "confusion": ((side, side), lambda ax: draw_confusion(evaluation.confusion, run.classes, ax)),
        "mistakes": ((11.2, 3.4), draw_sheet),
    }
    if run.history:
        drawings["training_curves"] = ((6, 3.6), lambda ax: draw_training(summarise_training(run), ax))
    for name, (size, draw) in drawings.items():
        figure = make_canvas(size).figure
        figure.set_layout_engine("constrained")
        draw(figure.subplots())
        with written_whole(folder / f"{name}.png") as temporary:
            temporary.write_bytes(render_figure(figure, 256))
