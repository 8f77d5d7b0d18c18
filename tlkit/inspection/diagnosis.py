"""`diagnose`: what a run suffers from, in plain words, and the experiment to try next."""

import dataclasses
import textwrap

from tlkit.backbones.weights.error import WeightsError
from tlkit.inspection import symptoms
from tlkit.inspection.training_curves import summarise_training
from tlkit.inspection.weight_distance import measure_weight_distance

_WIDTH = 100


@dataclasses.dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `diagnose` found; displays as a paragraph.

    Arguments
    ---------
    sentences: list of Sentence
        Each with its text, the numbers it rests on, the rule by which it is said and the experiment it asks for; what
        matters most comes first, the last one is the experiment to try next.
    unjudged: list of str
        What couldn't be judged, and what it would take.
    """

    sentences: list
    unjudged: list

    def __repr__(self):
        paragraph = " ".join(sentence.text for sentence in self.sentences)
        if self.unjudged:
            paragraph += f" Not judged: {'; '.join(self.unjudged)}."
        return textwrap.fill(paragraph, _WIDTH)


def diagnose(run, evaluation=None, *, start=None):
    """Say what a run suffers from and what to try next; each sentence rests on numbers that come with it.

    These are rules of thumb, not proofs: what the next experiment is worth, `tl.compare` with several seeds tells.

    Arguments
    ---------
    run: Run
        One that was trained with `validation=` says more.
    evaluation: Evaluation, optional
        What `run.evaluate` returned, for what is said of calibration, classes, mistakes and looks; nothing is evaluated
        here, so that no look is added.
    start: Backbone, optional
        What the run started from, for how far each stage moved; by default the pretrained one is loaded if it has the
        weights that the run started from.

    Returns a `Diagnosis`. Raises ValueError for an evaluation of other classes, or a start that isn't the run's.

    >>> import tlkit as tl
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 1, 1e-3)], name="short"), progress=False)
    >>> diagnosis = diagnose(run)
    >>> diagnosis.sentences[1].numbers
    {'n_held': 0}
    >>> diagnosis.sentences[-1].text
    'Next: train again with validation=0.2.'
    """
    from tlkit.training.run import check_run

    check_run("run", run)
    if evaluation is not None and list(evaluation.classes) != list(run.classes):
        raise ValueError(
            f"evaluation: of classes {', '.join(evaluation.classes)}, expected the run's, {', '.join(run.classes)}; "
            "take what run.evaluate returns"
        )
    found, unjudged = [symptoms.judge_completion(run)], []
    if evaluation is not None:
        found.append(symptoms.judge_looks(evaluation))
    if run.history:
        curves = summarise_training(run)
        judges = (symptoms.judge_held, symptoms.judge_fit, symptoms.judge_gap, symptoms.judge_length)
        found += [judge(curves) for judge in judges]
    else:
        unjudged.append("the course of the training, since the head was solved")
    if evaluation is not None:
        judges = (symptoms.judge_classes, symptoms.judge_sure_mistakes, symptoms.judge_calibration)
        found += [judge(evaluation) for judge in (*judges, symptoms.judge_confusion)]
    else:
        unjudged.append("mistakes and calibration, which take evaluation=run.evaluate(test)")
    if run.tuned:
        try:
            found.append(symptoms.judge_distance(measure_weight_distance(run, start)))
        except WeightsError:
            unjudged.append("how far the stages moved, which takes start=, the backbone given to transfer")
    said = [sentence for sentence in found if sentence is not None]
    return Diagnosis([symptoms.format_start(run, evaluation), *said, _format_next(said)], unjudged)


def _format_next(said):
    experiments = [sentence for sentence in said if sentence.experiment]
    if not experiments:
        text = "Nothing stands out. Next: compare it with other strategies over several seeds (tl.compare)."
        return symptoms.Sentence(text, {}, "no rule applied", "tl.compare")
    first = experiments[0]
    rule = "the experiment of the first sentence that asks for one"
    return symptoms.Sentence(f"Next: {first.experiment}.", first.numbers, rule, first.experiment)
