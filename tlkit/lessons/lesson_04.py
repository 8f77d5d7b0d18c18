"""Exercises of lesson 04: ridge regression in the other form, a scaler that has seen the test pictures."""

import dataclasses
import warnings

import numpy as np

from tlkit.heads.numerics import measure_scale
from tlkit.lessons.exercise import Check, exercise

_TOLERANCE = 1e-6
_NEARLY = 1e-3  # as far as single precision may lead astray
_MANY, _FAR = 3, 100.0  # times the tested pictures, and times their spread


@exercise("04_ridge", "the name of your function")
def _check_ridge(answer, *, features, l2_penalty):
    """A function (features, l2_penalty) → weight (n_classes, n_features) and bias (n_classes,) of the ridge head."""
    if not callable(answer):
        return _ask_for_function(answer)
    values, targets = np.asarray(features.values, float), _make_targets(features, low=-1.0)
    scale, n = measure_scale(features.values), len(features)
    right = _solve(values / scale, targets, l2_penalty * n)
    right = right[0] / scale, right[1]
    try:
        weight, bias = (np.asarray(part, float) for part in answer(features, l2_penalty))
    except Exception as error:  # whatever the reader's function raises is told, not thrown
        return Check(False, f"the function ended in {type(error).__name__}: {error}")
    if weight.shape == right[0].T.shape != right[0].shape:
        return Check(
            False, "the weight lies on its side: it has a row a class, (n_classes, n_features); turn it by .T."
        )
    if (weight.shape, bias.shape) != (right[0].shape, right[1].shape):
        return Check(
            False,
            f"shapes {weight.shape} and {bias.shape}, expected {right[0].shape} and {right[1].shape}: a row of "
            "weights and one bias for each class.",
        )
    if _differ(weight, right[0]) <= _TOLERANCE and _differ(bias, right[1]) <= _TOLERANCE:
        return Check(True, f"the same head, from {n} equations in the place of {values.shape[1]}.")
    if _differ(weight, right[0]) <= _TOLERANCE:
        return Check(
            False, "the weight is right, the bias isn't: the mean of the targets less weight @ mean of values."
        )
    for hint, slip in _ridge_slips(values, features, l2_penalty, scale).items():
        if _differ(weight, slip) <= _TOLERANCE + 1e-4 * np.abs(slip).max():
            return Check(False, hint)
    if _differ(weight, right[0]) <= _NEARLY * np.abs(right[0]).max():
        return Check(False, "nearly: the numbers drift in single precision; begin with features.values.astype(float).")
    return Check(
        False,
        "other weights: centre values and targets, solve for n rows with the penalty l2_penalty × n on the "
        "diagonal, then go back by the transposed values.",
    )


def _make_targets(features, low):
    return np.where(features.labels[:, None] == np.arange(len(features.classes)), 1.0, low)


def _solve(values, targets, penalty, *, centred=True):
    """Return (weight, bias) of ridge regression from as many equations as there are rows."""
    centre, middle = (values.mean(axis=0), targets.mean(axis=0)) if centred else (0.0, 0.0)
    inner = (values - centre) @ (values - centre).T + penalty * np.eye(len(values))
    weight = np.linalg.solve(inner, targets - middle).T @ (values - centre)
    return weight, middle - (weight @ centre if centred else np.zeros(len(weight)))


def _ridge_slips(values, features, l2_penalty, scale):
    """Return {hint: weight} of what is easily taken for the right weight."""
    targets, penalty = _make_targets(features, low=-1.0), l2_penalty * len(values)
    scaled = values / scale
    return {
        "values and targets stand around zero, but theirs is elsewhere: take away the mean over the pictures first.": (
            _solve(scaled, targets, penalty, centred=False)[0] / scale
        ),
        "the targets are +1 and -1, not 1 and 0.": (
            _solve(scaled, _make_targets(features, low=0.0), penalty)[0] / scale
        ),
        "the penalty goes beside the summed squares: l2_penalty times the number of pictures.": (
            _solve(scaled, targets, l2_penalty)[0] / scale
        ),
        "the l2_penalty is meant for values whose overall standard deviation is 1: divide by it before.": (
            _solve(values, targets, penalty)[0]
        ),
        "that is the weight for the divided values; for the features as they are, divide it by the scale too.": (
            _solve(scaled, targets, penalty)[0]
        ),
    }


def _differ(a, b):
    return float(np.abs(a - b).max())


@exercise("04_leak", "the name of your function")
def _check_leak(answer, *, features):
    """A function (learned, tested) → (n,) classes of those tested: a scaled probe that no tested picture informs."""
    if not callable(answer):
        return _ask_for_function(answer)
    order = np.random.default_rng(0).permutation(len(features))
    learned, tested = features[order[::2]], features[order[1::2]]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a solver's notices on values stretched here would puzzle the reader
            return _look_for_leak(answer, learned, tested)
    except Exception as error:  # as above
        return Check(False, f"the function ended in {type(error).__name__}: {error}")


def _look_for_leak(probe, learned, tested):
    alone = np.asarray(probe(learned, tested))
    if alone.shape != tested.labels.shape:
        return Check(False, f"shape {alone.shape}, expected {tested.labels.shape}: a class for each tested picture.")
    if not np.array_equal(probe(learned, _change(tested, labels=np.roll(tested.labels, 1))), alone):
        return Check(False, "with other labels for the tested pictures it says something else: it must not see those.")
    spread = tested.values.std(axis=0)
    if np.array_equal(probe(learned, _change(tested, values=tested.values + np.float32(10) * spread)), alone):
        if len(np.unique(alone)) == 1:
            return Check(False, "it says the same of every picture; fit a head on the learned ones.")
        return Check(
            False,
            "all tested pictures were moved far away and nothing changed: they were scaled by their own mean. "
            "In use pictures come one by one: scale them as those learned were.",
        )
    strange = _change(tested, values=tested.values * np.float32(_FAR))
    beside = _join([tested, *[strange] * _MANY])
    if not np.array_equal(probe(learned, beside)[: len(tested)], alone):
        return Check(
            False,
            "pictures got another class when strange ones were tested beside them: something was fitted on the "
            "tested pictures. Which line sees them before the last one?",
        )
    # Powers of two: the scaled values keep every bit.
    stretch = np.exp2(np.resize([-10, 0, 10], tested.values.shape[1])).astype(np.float32)
    stretched = (_change(part, values=part.values * stretch) for part in (learned, tested))
    if not np.array_equal(probe(*stretched), alone):
        return Check(False, "no leak any more, but nothing is scaled either: keep the scaler, fit it elsewhere.")
    return Check(True, "what it says of a picture depends on that picture and on those learned, on nothing else.")


def _change(features, **parts):
    return dataclasses.replace(features, **parts)


def _join(parts):
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    return dataclasses.replace(parts[0], **columns)


_COLUMNS = ("values", "labels", "names", "groups")


def _ask_for_function(answer):
    return Check(False, f"this should be your function, without brackets behind it, and is a {type(answer).__name__}.")
