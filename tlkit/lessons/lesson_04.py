"""Exercises of lesson 04: ridge regression in its dual form, and a scaler that leaks test pictures."""

import dataclasses

import numpy as np

from tlkit.cpu.threads import hide_warnings
from tlkit.heads.numerics import measure_scale
from tlkit.lessons.exercise import NotYet, calling_answer, exercise, expect_function, find_slip

_TOLERANCE = 1e-6
_NEARLY = 1e-3  # largest error of single precision
_N_COPIES, _FAR = 3, 100.0  # copies of the test pictures, and how much their values are stretched
_COLUMNS = ("values", "labels", "names", "groups")


@exercise("04_ridge", "the name of your function", expect_function)
def _check_ridge(answer, *, features, l2_penalty):
    """Return the verdict on (features, l2_penalty) → weight (n_classes, n_features) and bias (n_classes,) of ridge."""
    values, targets = np.asarray(features.values, float), _make_targets(features, low=-1.0)
    scale, n = measure_scale(features.values), len(features)
    right, right_bias = _solve(values / scale, targets, l2_penalty * n)
    right = right / scale
    with calling_answer():
        parts = answer(features, l2_penalty)
        if not isinstance(parts, tuple | list) or len(parts) != 2:
            raise NotYet("it should return two arrays: end with return weight, middle - weight @ centre.")
        weight, bias = (np.asarray(part, float) for part in parts)
    if weight.shape == right.T.shape != right.shape:
        raise NotYet("the weight is transposed: it has one row per class, (n_classes, n_features); use .T.")
    if (weight.shape, bias.shape) != (right.shape, right_bias.shape):
        raise NotYet(
            f"shapes {weight.shape} and {bias.shape}, expected {right.shape} and {right_bias.shape}: a row of weights "
            "and one bias per class."
        )
    if np.allclose(weight, right, rtol=0, atol=_TOLERANCE):
        if np.allclose(bias, right_bias, rtol=0, atol=_TOLERANCE):
            return f"the same head; with the second formula it takes {n} equations instead of {values.shape[1]}."
        raise NotYet("the weight is right, the bias isn't: the mean of the targets minus weight @ mean of the values.")
    hint = find_slip(
        weight,
        _list_ridge_slips(values, features, l2_penalty, scale),
        lambda a, b: np.allclose(a, b, rtol=0, atol=_TOLERANCE + 1e-4 * np.abs(b).max()),
    )
    if hint is None and np.allclose(weight, right, rtol=0, atol=_NEARLY * np.abs(right).max()):
        hint = "nearly: the numbers drift in single precision; begin with features.values.astype(float)."
    raise NotYet(
        hint
        or "other weights: centre values and targets, solve for n rows with the penalty l2_penalty × n on the "
        "diagonal, then multiply by the transposed values."
    )


def _make_targets(features, low):
    """Return targets (n, n_classes): 1 for the class of a picture, `low` for the others."""
    return np.where(features.labels[:, None] == np.arange(len(features.classes)), 1.0, low)


def _solve(values, targets, penalty, *, centred=True):
    """Return weight (n_classes, n_features) and bias (n_classes,) of ridge regression from one equation per row."""
    centre, middle = (values.mean(axis=0), targets.mean(axis=0)) if centred else (0.0, 0.0)
    inner = (values - centre) @ (values - centre).T + penalty * np.eye(len(values))
    weight = np.linalg.solve(inner, targets - middle).T @ (values - centre)
    return weight, middle - (weight @ centre if centred else np.zeros(len(weight)))


def _list_ridge_slips(values, features, l2_penalty, scale):
    """Return {hint: weight} of usual wrong weights."""
    targets, zero_one = (_make_targets(features, low) for low in (-1.0, 0.0))
    scaled, penalty = values / scale, l2_penalty * len(values)
    not_centred, other_targets, small_penalty, not_scaled, not_back = (
        _solve(scaled, targets, penalty, centred=False)[0] / scale,
        _solve(scaled, zero_one, penalty)[0] / scale,
        _solve(scaled, targets, l2_penalty)[0] / scale,
        _solve(values, targets, penalty)[0],
        _solve(scaled, targets, penalty)[0],
    )
    return {
        "values and targets should have mean zero: subtract the mean over the pictures first.": not_centred,
        "the targets are +1 and -1, not 1 and 0.": other_targets,
        "the penalty is added to summed squares: l2_penalty times the number of pictures.": small_penalty,
        "the l2_penalty is meant for values whose overall standard deviation is 1: divide by it before.": not_scaled,
        "that is the weight for the divided values; for the features, divide it by the scale too.": not_back,
    }


@exercise("04_leak", "the name of your function", expect_function)
def _check_leak(answer, *, features):
    """Return the verdict on (train, test) → (n,) classes of test pictures by a scaled probe without data leakage."""
    order = np.random.default_rng(0).permutation(len(features))
    # Warnings of a solver about values stretched here would puzzle the reader.
    with calling_answer(), hide_warnings(".*"):
        _look_for_leak(answer, features[order[::2]], features[order[1::2]])
    return "the predicted class depends on that picture and on the training pictures only."


def _look_for_leak(probe, train, test):
    """Raise NotYet if the predictions change with other test pictures or labels, or if nothing is scaled."""
    alone = np.asarray(probe(train, test))
    if alone.shape != test.labels.shape:
        raise NotYet(
            f"shape {alone.shape}, expected {test.labels.shape}: one class per test picture; head.predict gives these."
        )
    if not np.isin(alone, test.labels).any():
        raise NotYet("none of the predictions is a label: return the numbers that head.predict gives for test.values.")
    if not np.array_equal(probe(train, dataclasses.replace(test, labels=np.roll(test.labels, 1))), alone):
        raise NotYet("with other labels for the test pictures it predicts something else: it must not use those.")
    # Moved far away, all test pictures look alike to a scaler of the training pictures, and change their class.
    spread = test.values.std(axis=0)
    if np.array_equal(probe(train, dataclasses.replace(test, values=test.values + np.float32(10) * spread)), alone):
        if len(np.unique(alone)) == 1:
            raise NotYet("it predicts the same class for every picture; fit a head on the training pictures.")
        if np.array_equal(probe(train, dataclasses.replace(test, values=test.values[::-1])), alone):
            raise NotYet("the test pictures make no difference: predict those, not the training pictures.")
        raise NotYet(
            "all test pictures were moved far away and nothing changed: they were scaled by their own mean. In use, "
            "pictures come one by one: scale them like the training pictures."
        )
    strange = dataclasses.replace(test, values=test.values * np.float32(_FAR))
    parts = [test, *[strange] * _N_COPIES]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    if not np.array_equal(probe(train, dataclasses.replace(test, **joined))[: len(test)], alone):
        raise NotYet(
            "pictures got another class when strange ones were tested together with them: something was fitted on the "
            "test pictures. Which line uses them before the last one?"
        )
    # Powers of two: the scaled values keep every bit.
    stretch = np.exp2(np.resize([-10, 0, 10], test.values.shape[1])).astype(np.float32)
    stretched = (dataclasses.replace(part, values=part.values * stretch) for part in (train, test))
    if not np.array_equal(probe(*stretched), alone):
        raise NotYet("no leak any more, but not all is scaled: keep the scaler for both, fit it on other pictures.")
