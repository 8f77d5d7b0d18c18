"""Exercises of lesson 10: alignment without its bias, and the groups that stand on both sides of a split."""

import numpy as np

from tlkit.lessons.exercise import Check, exercise

_TOLERANCE = 1e-6
_SHAPES = ((24, 60), (24, 60)), ((30, 5), (30, 8))  # with more features than pictures, and with fewer


@exercise("10_debiased", "your function")
def _check_debiased(answer):
    """A function (a, b) → the debiased CKA of features (n, d) and (n, e)."""
    if not callable(answer):
        return Check(False, f"this should be the function itself, without brackets, and is a {type(answer).__name__}.")
    random = np.random.default_rng(0)
    for ours, theirs in _SHAPES:
        a = random.normal(size=ours)
        b = a[:, : theirs[1]] @ random.normal(size=(min(ours[1], theirs[1]), theirs[1])) + random.normal(size=theirs)
        b = b + 3.0  # a mean that isn't 0: who forgets to centre sees it
        kept = a.copy(), b.copy()
        try:
            given = float(answer(a, b))
        except Exception as error:
            return Check(False, f"it stops with {type(error).__name__}: {error}.")
        if not (np.array_equal(a, kept[0]) and np.array_equal(b, kept[1])):
            return Check(False, "it changes the features that it is given; work on a copy.")
        if hint := _judge(given, a, b):
            return Check(False, hint)
    noise = random.normal(size=(2, 64, 640))
    from tlkit.inspection import cka

    return Check(
        True,
        f"of noise, 64 pictures × 640 features, yours gives {answer(*noise):+.2f} where the biased one gives "
        f"{cka(*noise, debiased=False):.2f}.",
    )


def _judge(given, a, b):
    """Return what is wrong with an alignment of these features, None where it is right."""
    from tlkit.inspection import cka

    if abs(given - cka(a, b)) <= _TOLERANCE:
        return None
    slips = {
        "that is still the biased one: the diagonal has to go before the means are taken away.": (
            cka(a, b, debiased=False)
        ),
        "the diagonal was taken out, but nothing centred after it.": _align(a, b, _empty_diagonal),
        "the kernels were centred as before, with n where n - 2 belongs.": _align(a, b, _center_wrongly),
        "after centring, the diagonal has to be emptied once more.": _align(a, b, _leave_diagonal),
        "that is not divided by the two norms: it should be 1 for features with themselves.": (
            np.sum(_center(_kernel(a)) * _center(_kernel(b)))
        ),
    }
    for hint, value in slips.items():
        if abs(given - value) <= _TOLERANCE * max(1.0, abs(value)):
            return hint
    return "another number: empty the diagonal, take the means away with n - 2 and n - 1, empty it again, then divide."


def _align(a, b, center):
    ours, theirs = center(_kernel(a)), center(_kernel(b))
    return np.sum(ours * theirs) / np.sqrt(np.sum(ours**2) * np.sum(theirs**2))


def _kernel(values):
    return values @ values.T


def _empty_diagonal(kernel):
    return kernel - np.diag(np.diag(kernel))


def _leave_diagonal(kernel):
    kernel = _empty_diagonal(kernel)
    n, sums = len(kernel), kernel.sum(axis=0)
    return kernel - (sums + sums[:, None]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))


def _center(kernel):
    return _empty_diagonal(_leave_diagonal(kernel))


def _center_wrongly(kernel):
    kernel = _empty_diagonal(kernel)
    means = kernel.mean(axis=0)
    return _empty_diagonal(kernel - means - means[:, None] + means.mean())


@exercise("10_groups", "a whole number")
def _check_groups(answer, *, train, test):
    """How many groups have pictures both in `train` and in `test`, two ImageSets."""
    try:
        number = int(answer)
    except (TypeError, ValueError):
        return Check(False, f"this should be a whole number, and is a {type(answer).__name__}.")
    shared = set(train.groups) & set(test.groups)
    in_train, in_test = (int(np.isin(images.groups, list(shared)).sum()) for images in (train, test))
    if number == len(shared):
        return Check(
            True,
            f"{len(shared)} groups straddle, and with them {in_test} of {len(test)} test pictures: for those the score "
            "says how well it remembers.",
        )
    slips = {
        in_test: "these are the test pictures of such groups; a group counts once.",
        in_train: "these are the training pictures of such groups; a group counts once.",
        in_train + in_test: "these are the pictures of such groups, on both sides; a group counts once.",
        len(set(train.groups) | set(test.groups)): "these are all groups; count those that both sides have.",
        len(set(test.groups)): "these are the groups of the test side; count those that the training side has too.",
        len(set(train.groups)): "these are the groups of the training side; count those that the test side has too.",
        len(set(test.groups) - shared): "these are the test side's groups that don't straddle; the others do.",
        len(set(train.names) & set(test.names)): "these are pictures with one name on both sides; compare .groups.",
    }
    if number in slips:
        return Check(False, slips[number])
    return Check(False, "another number: take the groups of both sides as sets, and count what they have in common.")
