"""`diagnose`: problems of a run in plain words, and the experiment to try next."""

import dataclasses
import textwrap

import tlkit as tl
from tlkit.backbones.weights.error import WeightsError
from tlkit.evaluation.scores import Evaluation
from tlkit.inspection import symptoms
from tlkit.inspection.training_curves import summarise_training
from tlkit.inspection.weight_distance import measure_weight_distance

_WIDTH = 100


@dataclasses.dataclass(frozen=True, repr=False)
class Diagnosis:
    """Problems that `diagnose` found, displayed as a paragraph."""

    sentences: list[symptoms.Sentence]  # most important first, the next experiment last
    unjudged: list[str]  # what could not be judged, and which argument it needs

    def __repr__(self):
        paragraph = " ".join(sentence.text for sentence in self.sentences)
        if self.unjudged:
            paragraph += f" Not judged: {'; '.join(self.unjudged)}."
        return textwrap.fill(paragraph, _WIDTH)


def diagnose(run: "tl.Run", evaluation: Evaluation | None = None, *, start: "tl.Backbone | None" = None) -> Diagnosis:
    """Describe the problems of a run and the experiment to try next.

    These are rules of thumb with thresholds of our own. Test an experiment by `tl.compare` with several seeds.

    Parameters
    ----------
    run : Run
        The run. More can be judged if it was trained with `validation=`.
    evaluation : Evaluation, optional
        The result of `run.evaluate`; calibration, classes, mistakes and looks are judged by it.
    start : Backbone, optional
        The backbone that the run started from, to judge the distance of stages; by default the pretrained one.

    Returns
    -------
    Diagnosis
        Displays as a paragraph. Its `sentences`, most important first and the next experiment last, have a `text`, its
        `numbers`, the `rule` behind it and an `experiment`; `unjudged` lists what needs another argument.

    Raises
    ------
    ValueError
        If the evaluation has other classes, or the run did not start from `start`.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 1, 1e-3)], name="short"), progress=False)
    >>> diagnose(run).sentences[-1].text
    'Next: train again with validation=0.2.'
    """
    from tlkit.training.run import check_run

    check_run("run", run)
    if evaluation is not None and list(evaluation.classes) != list(run.classes):
        classes = f"of classes {', '.join(evaluation.classes)}, expected the run's, {', '.join(run.classes)}"
        raise ValueError(f"evaluation: {classes}; use the result of run.evaluate")
    found, unjudged = [symptoms.judge_completion(run)], []
    if evaluation is not None:
        found.append(symptoms.judge_looks(evaluation))
    if run.history:
        curves = summarise_training(run)
        judges = (symptoms.judge_held_out, symptoms.judge_fit, symptoms.judge_gap, symptoms.judge_length)
        found += [judge(curves) for judge in judges]
    else:
        unjudged.append("the training curves, since the head was solved")
    if evaluation is not None:
        judges = (symptoms.judge_classes, symptoms.judge_confident_mistakes, symptoms.judge_calibration)
        found += [judge(evaluation) for judge in (*judges, symptoms.judge_confusion)]
    else:
        unjudged.append("mistakes and calibration, which need evaluation=run.evaluate(test)")
    if run.tuned:
        try:
            found.append(symptoms.judge_distance(measure_weight_distance(run, start)))
        except WeightsError:
            unjudged.append("the distance of the stages, which needs start=, the backbone given to transfer")
    sentences = [sentence for sentence in found if sentence is not None]
    return Diagnosis([symptoms.format_start(run, evaluation), *sentences, _format_next(sentences)], unjudged)


def _format_next(sentences):
    """Return the last `Sentence`: the experiment of the first sentence that has one."""
    experiments = [sentence for sentence in sentences if sentence.experiment]
    if not experiments:
        text = "Nothing stands out. Next: compare it with other strategies over several seeds (tl.compare)."
        return symptoms.Sentence(text, {}, "no rule applied", "tl.compare")
    first = experiments[0]
    rule = "the experiment of the first sentence that has one"
    return symptoms.Sentence(f"Next: {first.experiment}.", first.numbers, rule, first.experiment)
