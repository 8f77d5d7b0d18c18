"""Rules of thumb for problems of a run: each looks at a few numbers and returns one `Sentence`, or None."""

import dataclasses
import math

import numpy as np

from tlkit.evaluation.calibration import measure_calibration
from tlkit.evaluation.intervals import normal_half_width
from tlkit.names import format_strategy

MAX_LOOKS = 3
MAX_HALF_WIDTH = 0.1
MIN_TRAINING_ACCURACY = 0.8
MAX_GAP = 0.1
MIN_CONFUSED = 3
CONFIDENT = 0.9


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One sentence of a diagnosis, with its numbers, the rule behind it and an experiment to try."""

    text: str
    numbers: dict  # of str to float or str: the measurements
    rule: str  # the condition of the sentence, with its threshold
    experiment: str | None = None


def judge_completion(run):
    """Return a `Sentence` if training was interrupted."""
    if run.completed:
        return None
    text = f"Training was interrupted after {len(run.history)} epochs."
    return Sentence(text, {"n_epochs": len(run.history)}, "interrupted", "train to the end, with checkpoint=")


def judge_looks(evaluation):
    """Return a `Sentence` if the test set was evaluated often with the same run."""
    if evaluation.n_looks <= MAX_LOOKS:
        return None
    return Sentence(
        f"This test set was evaluated {evaluation.n_looks} times with this run: settings chosen by its score look "
        "better than they are.",
        {"n_looks": evaluation.n_looks},
        f"more than {MAX_LOOKS} evaluations",
        "choose on held-out training pictures (validation=0.2), and test once on pictures not used before",
    )


def judge_held_out(curves):
    """Return a `Sentence` if no or too few pictures were held out to choose an epoch."""
    n_held_out = curves.n_held_out
    if not n_held_out:
        text = "No pictures were held out, so neither overfitting nor the best epoch can be judged."
        return Sentence(text, {"n_held_out": 0}, "no picture held out", "train again with validation=0.2")
    half_width = normal_half_width(0.5, n_held_out)
    if half_width <= MAX_HALF_WIDTH:
        return None
    return Sentence(
        f"About {n_held_out} pictures were held out. Chance alone changes their accuracy by ±{half_width:.2f}: too few "
        "to choose epochs or settings.",
        {"n_held_out": n_held_out, "half_width": half_width},
        f"95 % interval wider than ±{MAX_HALF_WIDTH:.2f} at an accuracy of 0.50",
        "hold out more pictures (a larger validation=), or choose by the mean of several seeds",
    )


def judge_fit(curves):
    """Return a `Sentence` if the network underfits: even training pictures are not learned."""
    accuracy = float(curves.selected["accuracy"])
    if accuracy >= MIN_TRAINING_ACCURACY:
        return None
    return Sentence(
        f"Underfitting: at the selected epoch only {accuracy:.2f} of the training pictures are predicted correctly.",
        {"accuracy": accuracy, "epoch": int(curves.selected["epoch"])},
        f"training accuracy below {MIN_TRAINING_ACCURACY:.2f}",
        "train more stages, more epochs or at a higher learning rate, or augment less",
    )


def judge_gap(curves):
    """Return a `Sentence` if the network overfits: a gap to the validation accuracy that is wider than chance."""
    if not curves.n_held_out:
        return None
    accuracy, validation = float(curves.selected["accuracy"]), float(curves.selected["validation_accuracy"])
    chance = normal_half_width(validation, curves.n_held_out)
    if not curves.accuracy_gap > max(MAX_GAP, chance):
        return None
    return Sentence(
        f"Overfitting: accuracy is {accuracy:.2f} on training pictures and {validation:.2f} on held-out ones, a gap of "
        f"{curves.accuracy_gap:.2f} (chance: ±{chance:.2f}).",
        {"accuracy": accuracy, "validation_accuracy": validation, "gap": curves.accuracy_gap, "chance": chance},
        f"a gap above {MAX_GAP:.2f}, and above the 95 % interval of the validation accuracy",
        "train fewer stages, augment more, or add pictures",
    )


def judge_length(curves):
    """Return a `Sentence` if the last phase was too short, or should have ended with its first epoch."""
    last = curves.table[curves.table["phase"] == curves.table["phase"].iloc[-1]]
    if not curves.n_held_out or len(last) < 3 or not last["selected"].any():
        return None
    selected, first, end = int(curves.selected["epoch"]), int(last["epoch"].iloc[0]), int(last["epoch"].iloc[-1])
    numbers = {"selected_epoch": selected, "first_epoch": first, "last_epoch": end}
    if selected == end:
        text = f"The validation loss was still falling in the last epoch ({end})."
        return Sentence(text, numbers, "the last of at least three epochs was selected", "train more epochs")
    if selected == first:
        text = f"Of epochs {first} to {end} the first was selected: all later ones have a higher validation loss."
        rule = "the first of at least three epochs was selected"
        return Sentence(text, numbers, rule, "use a lower learning rate, or train fewer stages")
    return None


def judge_calibration(evaluation):
    """Return a `Sentence` if the network is overconfident or underconfident."""
    calibration = measure_calibration(evaluation.probabilities, evaluation.labels)
    if not calibration.is_miscalibrated:
        return None
    return Sentence(
        f"Mean confidence {calibration.confidence:.2f}, accuracy {calibration.accuracy:.2f}: {calibration.verdict}. "
        f"The calibration error is {calibration.error:.3f}; perfect calibration would give up to "
        f"{calibration.calibrated_high:.3f} on {calibration.n} pictures.",
        {"error": calibration.error, "calibrated_high": calibration.calibrated_high, "n": calibration.n},
        "an error above that of 95 % of simulations with perfect calibration",
        "fit a temperature on held-out pictures (tl.evaluation.fit_temperature)",
    )


def judge_classes(evaluation):
    """Return a `Sentence` if classes of the test set are never predicted."""
    confusion = evaluation.confusion
    missed = np.flatnonzero((confusion.sum(axis=1) > 0) & (confusion.sum(axis=0) == 0))
    if not len(missed):
        return None
    numbers = {evaluation.classes[label]: int(confusion[label].sum()) for label in missed}
    named = ", ".join(f"{name} ({n})" for name, n in numbers.items())
    return Sentence(
        f"Never predicted, although the test set contains them: {named}.",
        numbers,
        "a class with test pictures that is never predicted",
        'add pictures of these classes, or train with balance="sampling"',
    )


def judge_confusion(evaluation):
    """Return a `Sentence` that names the most confused pair of classes."""
    mistakes = evaluation.confusion * (1 - np.eye(len(evaluation.classes), dtype=int))
    n_wrong, both = int(mistakes.sum()), np.triu(mistakes + mistakes.T)
    one, other = np.unravel_index(both.argmax(), both.shape)
    n = int(both[one, other])
    if n < MIN_CONFUSED:
        return None
    names = evaluation.classes[one], evaluation.classes[other]
    return Sentence(
        f"Most confused classes: {names[0]} and {names[1]}, {n} of {n_wrong} mistakes.",
        {"n_confused": n, "n_wrong": n_wrong, "classes": " and ".join(names)},
        f"the pair with the most mistakes, at least {MIN_CONFUSED}",
        f"look at the pictures of {names[0]} and {names[1]}, and add some that distinguish them",
    )


def judge_confident_mistakes(evaluation):
    """Return a `Sentence` if there are more confident mistakes than the probabilities predict."""
    confidences, wrong = evaluation.probabilities.max(axis=1), evaluation.predicted != evaluation.labels
    confident = confidences >= CONFIDENT
    n, expected = int((confident & wrong).sum()), float((1 - confidences[confident]).sum())
    if n < 2 or n <= expected + 2 * math.sqrt(expected):
        return None
    return Sentence(
        f"{n} mistakes have a probability of {CONFIDENT} or more, but by its own probabilities the network would make "
        f"{expected:.1f}: some labels may be wrong.",
        {"n_confident_mistakes": n, "expected": expected},
        f"two mistakes at {CONFIDENT} or more, and more than two standard errors above their expected number",
        "check the first suspects of tl.inspection.find_label_errors",
    )


def judge_distance(distances):
    """Return a `Sentence` if early stages moved further than late ones."""
    moved = distances.dropna(subset="relative_distance")
    half = len(moved) // 2
    early, late = moved["relative_distance"][:half].mean(), moved["relative_distance"][half:].mean()
    if not early > late:
        return None
    return Sentence(
        f"The early half of the stages moved further from the pretrained weights (by {early:.3f} of their norm) than "
        f"the late half ({late:.3f}): general features were learned anew.",
        {"early": float(early), "late": float(late)},
        "mean relative distance of the early half of the stages above that of the late half",
        "freeze the early stages, or lower their learning rates (strategy 'layer_decay')",
    )


def format_start(run, evaluation):
    """Return the first `Sentence`: what was trained, and its scores."""
    name = format_strategy(run.strategy["name"])
    text = f"{name[:1].upper()}{name[1:]} on {run.n_train} pictures"
    numbers = {"n_train": run.n_train}
    if evaluation is not None:
        n = len(evaluation.labels)
        text += f": accuracy {evaluation.accuracy:.2f}, Brier score {evaluation.brier:.2f} on {n} test pictures"
        numbers |= {"accuracy": evaluation.accuracy, "brier": evaluation.brier, "n_test": n}
    return Sentence(f"{text}.", numbers, "always")
