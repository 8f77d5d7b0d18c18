"""Rules for what is wrong with a run: each looks at a few numbers and says one sentence, or nothing.

They are rules of thumb of our own, with the threshold in the text of each.
"""

import dataclasses
import math

import numpy as np

from tlkit.names import format_strategy

MOST_LOOKS = 3
LARGEST_HALF_WIDTH = 0.1
LEAST_FITTED = 0.8
LARGEST_GAP = 0.1
LEAST_CONFUSED = 3
SURE = 0.9


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One sentence of a diagnosis, with what it rests on.

    Arguments
    ---------
    text: str
    numbers: dict of str to float or str
        What was measured.
    rule: str
        When this is said.
    experiment: str or None
        What to try because of it.
    """

    text: str
    numbers: dict
    rule: str
    experiment: str | None = None


def judge_completion(run):
    """Say that a training was interrupted."""
    if run.completed:
        return None
    text = f"The training was interrupted after {len(run.history)} epochs."
    return Sentence(text, {"n_epochs": len(run.history)}, "interrupted", "train to the end, with checkpoint=")


def judge_looks(evaluation):
    """Say that a test set was looked at often."""
    if evaluation.n_looks <= MOST_LOOKS:
        return None
    return Sentence(
        f"This test set was looked at {evaluation.n_looks} times with this run: what was chosen by it looks "
        "better than it is.",
        {"n_looks": evaluation.n_looks},
        f"more than {MOST_LOOKS} looks",
        "choose on pictures held out of training (validation=0.2), and test once on pictures not seen before",
    )


def judge_held(curves):
    """Say that no or too few pictures were held out to choose an epoch by."""
    n_held = curves.n_held
    rule = f"95 % of the accuracies within more than ±{LARGEST_HALF_WIDTH:.2f}, where half are right"
    if not n_held:
        text = "No pictures were held out, so that nothing says whether it learned by heart or when to stop."
        return Sentence(text, {"n_held": 0}, "no picture held out", "train again with validation=0.2")
    half_width = _find_half_width(0.5, n_held)
    if half_width <= LARGEST_HALF_WIDTH:
        return None
    return Sentence(
        f"About {n_held} pictures were held out, whose accuracy chance alone moves by ±{half_width:.2f}: too few to "
        "choose epochs or settings by.",
        {"n_held": n_held, "half_width": half_width},
        rule,
        "hold out more pictures (a larger validation=), or choose by the mean of several seeds",
    )


def judge_fit(curves):
    """Say that the training pictures themselves were not learned."""
    accuracy = float(curves.taken["accuracy"])
    if accuracy >= LEAST_FITTED:
        return None
    return Sentence(
        f"Of the pictures learned from only {accuracy:.2f} are labelled right at the epoch that was taken: it learned "
        "too little.",
        {"accuracy": accuracy, "epoch": int(curves.taken["epoch"])},
        f"training accuracy below {LEAST_FITTED:.2f}",
        "train more stages, more epochs or at a higher learning rate, or augment less",
    )


def judge_gap(curves):
    """Say that it learned by heart: much better on what it learned from, by more than chance."""
    if not curves.n_held:
        return None
    accuracy, validation = float(curves.taken["accuracy"]), float(curves.taken["validation_accuracy"])
    chance = _find_half_width(validation, curves.n_held)
    if not curves.accuracy_gap > max(LARGEST_GAP, chance):
        return None
    return Sentence(
        f"It learned by heart: {accuracy:.2f} of the pictures learned from are right, of those held out "
        f"{validation:.2f}, a gap of {curves.accuracy_gap:.2f} (chance: ±{chance:.2f}).",
        {"accuracy": accuracy, "validation_accuracy": validation, "gap": curves.accuracy_gap, "chance": chance},
        f"a gap above {LARGEST_GAP:.2f}, and above what chance does to the pictures held out",
        "train fewer stages, augment more, or add pictures",
    )


def judge_length(curves):
    """Say that the last phase was too short, or should have ended with its first epoch."""
    last = curves.table[curves.table["phase"] == curves.table["phase"].iloc[-1]]
    if not curves.n_held or len(last) < 3 or not last["taken"].any():
        return None
    taken, first, end = int(curves.taken["epoch"]), int(last["epoch"].iloc[0]), int(last["epoch"].iloc[-1])
    numbers = {"taken_epoch": taken, "first_epoch": first, "last_epoch": end}
    if taken == end:
        text = f"The validation loss was still falling in the last epoch ({end})."
        return Sentence(text, numbers, "the last of three epochs or more was taken", "train more epochs")
    if taken == first:
        text = f"Of epochs {first} to {end} the first was taken: all later ones made the validation loss worse."
        rule = "the first of three epochs or more was taken"
        return Sentence(text, numbers, rule, "take a lower learning rate, or train fewer stages")
    return None


def judge_calibration(evaluation):
    """Say that probabilities don't come true as often as they say."""
    calibration = evaluation.calibration()
    if not calibration.is_off:
        return None
    how = "too sure" if calibration.confidence > calibration.accuracy else "not sure enough"
    return Sentence(
        f"It is {how}: said with {calibration.confidence:.2f} on average, right with {calibration.accuracy:.2f}; a "
        f"calibration error of {calibration.error:.3f}, where true probabilities give up to "
        f"{calibration.calibrated_high:.3f} on {calibration.n} pictures.",
        {"error": calibration.error, "calibrated_high": calibration.calibrated_high, "n": calibration.n},
        "an error above that of 95 in 100 draws of labels by its own probabilities",
        "fit one temperature on pictures held out (tl.evaluation.fit_temperature)",
    )


def judge_classes(evaluation):
    """Say that there are classes that are never predicted."""
    confusion = evaluation.confusion
    missed = np.flatnonzero((confusion.sum(axis=1) > 0) & (confusion.sum(axis=0) == 0))
    if not len(missed):
        return None
    numbers = {evaluation.classes[label]: int(confusion[label].sum()) for label in missed}
    named = ", ".join(f"{name} ({n})" for name, n in numbers.items())
    return Sentence(
        f"Never predicted, though there are test pictures of it: {named}.",
        numbers,
        "a class with test pictures that no picture is taken for",
        'add pictures of these classes, or train with balance="sampling"',
    )


def judge_confusion(evaluation):
    """Name the pair of classes that is taken for each other most."""
    mixed = evaluation.confusion * (1 - np.eye(len(evaluation.classes), dtype=int))
    n_wrong, both = int(mixed.sum()), np.triu(mixed + mixed.T)
    one, other = np.unravel_index(both.argmax(), both.shape)
    n = int(both[one, other])
    if n < LEAST_CONFUSED:
        return None
    names = evaluation.classes[one], evaluation.classes[other]
    return Sentence(
        f"Taken for each other most: {names[0]} and {names[1]}, {n} of {n_wrong} mistakes.",
        {"n_confused": n, "n_wrong": n_wrong, "classes": " and ".join(names)},
        f"the pair with the most mistakes, {LEAST_CONFUSED} or more",
        f"look at the pictures of {names[0]} and {names[1]}, and add some that tell them apart",
    )


def judge_sure_mistakes(evaluation):
    """Say that it is sure of more mistakes than its own probabilities allow for."""
    confidences, wrong = evaluation.probabilities.max(axis=1), evaluation.predicted != evaluation.labels
    sure = confidences >= SURE
    n, expected = int((sure & wrong).sum()), float((1 - confidences[sure]).sum())
    if n < 2 or n <= expected + 2 * math.sqrt(expected):
        return None
    return Sentence(
        f"It is sure of {n} mistakes (probability {SURE} or more), where its own probabilities allow for "
        f"{expected:.1f}: some labels may be wrong.",
        {"n_sure_mistakes": n, "expected": expected},
        f"two mistakes at {SURE} or more, and more than two standard errors above their expected number",
        "look through the first suspects of tl.inspection.find_label_errors",
    )


def judge_distance(distances):
    """Say that early stages were moved further than late ones."""
    moved = distances.dropna(subset="relative_distance")
    half = len(moved) // 2
    early, late = moved["relative_distance"][:half].mean(), moved["relative_distance"][half:].mean()
    if not early > late:
        return None
    return Sentence(
        f"The early half of the stages was moved further from its pretrained weights, by {early:.3f} of their length, "
        f"than the late half, by {late:.3f}: what is general was learned anew.",
        {"early": float(early), "late": float(late)},
        "mean relative distance of the early half of the stages above that of the late half",
        "freeze the early stages, or let learning rates fall towards them (strategy 'layer_decay')",
    )


def format_start(run, evaluation):
    """Say what was trained and how well it does."""
    name = format_strategy(run.strategy["name"])
    text = f"{name[:1].upper()}{name[1:]} on {run.n_train} pictures"
    numbers = {"n_train": run.n_train}
    if evaluation is not None:
        n = len(evaluation.labels)
        text += f": accuracy {evaluation.accuracy:.2f}, Brier score {evaluation.brier:.2f} on {n} test pictures"
        numbers |= {"accuracy": evaluation.accuracy, "brier": evaluation.brier, "n_test": n}
    return Sentence(f"{text}.", numbers, "always")


def _find_half_width(share, n):
    return 1.96 * math.sqrt(share * (1 - share) / n)
