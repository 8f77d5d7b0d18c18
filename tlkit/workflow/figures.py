"""What a run folder shows of the test: a table of the predictions, and figures."""

from tlkit.inspection.training_curves import summarise_training
from tlkit.names import defuse
from tlkit.plots.comparison import draw_mistakes, draw_mistakes_frame
from tlkit.plots.confusion import draw_confusion
from tlkit.plots.curves import draw_training
from tlkit.plots.vector import make_canvas, render_figure
from tlkit.storage import written_whole


def write_test(run, evaluation, test, folder):
    """Write the predictions of a run's `Evaluation` on an ImageSet into a folder, and PNG files into its `figures`."""
    table = evaluation.predictions[["picture", "label", "predicted"]].assign(
        probability=evaluation.probabilities.max(1)
    )
    with written_whole(folder / "test_predictions.csv") as temporary:
        table.map(defuse).to_csv(temporary, index=False)
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
        with written_whole(folder / "figures" / f"{name}.png") as temporary:
            temporary.write_bytes(render_figure(figure, 256))
