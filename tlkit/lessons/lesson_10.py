"""Exercises of lesson 10: CKA without its bias, and groups on both sides of a split."""

import sys

import numpy as np

from tlkit.lessons.exercise import NotYet, calling_answer, compare, exercise, expect_function, expect_number

_TOLERANCE = 1e-6
_SHAPES = ((24, 60), (24, 60)), ((30, 5), (30, 8))  # with more features than pictures, and with fewer


@exercise("10_debiased", "your function", expect_function)
def _check_debiased(answer):
    """Return the verdict on a function (a, b) → the debiased CKA of features (n, d) and (n, e)."""
    from tlkit.inspection import cka

    calls = []  # of the kit's function in this thread, whatever name it has in the notebook
    random = np.random.default_rng(0)
    for ours, theirs in _SHAPES:
        a = random.normal(size=ours)
        b = a[:, : theirs[1]] @ random.normal(size=(min(ours[1], theirs[1]), theirs[1])) + random.normal(size=theirs)
        b = b + 3.0  # a mean that isn't 0 shows missing centring
        before = a.copy(), b.copy()
        profile = sys.getprofile()
        sys.setprofile(lambda frame, event, _: calls.append(event) if frame.f_code is cka.__code__ else None)
        try:
            with calling_answer():
                given = answer(a, b)
        finally:
            sys.setprofile(profile)
        if calls:
            raise NotYet("that calls the kit's cka; write your own: change the lines that centre the kernel.")
        if np.shape(given) != ():
            raise NotYet(f"it should return one number, and returns an array of shape {np.shape(given)}: sum it up.")
        given = expect_number(given)
        if not (np.array_equal(a, before[0]) and np.array_equal(b, before[1])):
            raise NotYet("it changes the features that it is given; work on a copy.")
        compare(
            given,
            cka(a, b),
            _list_slips(a, b),
            "another number: empty the diagonal, subtract the means with n - 2 and n - 1, empty it again, then divide.",
            lambda value, other: abs(value - other) <= _TOLERANCE * max(1.0, abs(other)),
        )
    noise = random.normal(size=(2, 64, 640))
    return (
        f"for noise, 64 pictures × 640 features, yours gives {expect_number(answer(*noise)):+.2f} and the biased one "
        f"{cka(*noise, debiased=False):.2f}."
    )


def _list_slips(a, b):
    """Return {hint: number} of usual wrong alignments of features (n, d) and (n, e)."""
    from tlkit.inspection.similarity import center, center_unbiased, cka

    biased, not_divided = cka(a, b, debiased=False), np.sum(center_unbiased(a @ a.T) * center_unbiased(b @ b.T))
    return {
        "that is still the biased one: the diagonal has to be emptied before the means are subtracted.": biased,
        "the diagonal was emptied, but nothing was centred after it.": _align(a, b, _empty_diagonal),
        "the kernels were centred as before, with n where n - 2 belongs.": _align(
            a, b, lambda kernel: _empty_diagonal(center(_empty_diagonal(kernel)))
        ),
        "after centring, the diagonal has to be emptied once more.": _align(a, b, _leave_diagonal),
        "that compares features; the kernel compares pictures: values @ values.T.": _align(
            a.T, b[:, : a.shape[1]].T, center_unbiased
        ),
        "that is not divided by the two norms: it should be 1 for features with themselves.": not_divided,
    }


def _align(a, b, center):
    """Return the alignment of the linear kernels (n, n) of two sets of features after centring."""
    ours, theirs = center(a @ a.T), center(b @ b.T)
    return np.sum(ours * theirs) / np.sqrt(np.sum(ours**2) * np.sum(theirs**2))


def _empty_diagonal(kernel):
    """Return a kernel with zeros on its diagonal."""
    return kernel - np.diag(np.diag(kernel))


def _leave_diagonal(kernel):
    """Return the kernel with an empty diagonal, centred without bias, but with the new diagonal left in."""
    kernel = _empty_diagonal(kernel)
    n, sums = len(kernel), kernel.sum(axis=0)
    return kernel - (sums + sums[:, None]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))


@exercise("10_groups", "a whole number")
def _check_groups(answer, *, train, test):
    """Return the verdict on the number of groups with pictures in both `train` and `test`, two ImageSets."""
    if np.ndim(answer) or isinstance(answer, (set, dict)):
        raise NotYet("this is a collection, and should be a whole number; count its different groups: len(set(…)).")
    number = expect_number(answer)
    if number != int(number):
        raise NotYet("groups are counted, so this should be a whole number, and not a share.")
    both = set(train.groups) & set(test.groups)
    in_train, in_test = (int(np.isin(images.groups, list(both)).sum()) for images in (train, test))
    slips = {
        "these are pictures with one name on both sides; compare .groups.": len(set(train.names) & set(test.names)),
        "these are the groups of the test side alone; count the others.": len(set(test.groups) - both),
        "these are the groups of the training side; count those that the test side has too.": len(set(train.groups)),
        "these are the groups of the test side; count those that the training side has too.": len(set(test.groups)),
        "these are all groups; count those that both sides have.": len(set(train.groups) | set(test.groups)),
        "these are the pictures of such groups, on both sides; a group counts once.": in_train + in_test,
        "these are the training pictures of such groups; a group counts once.": in_train,
        "these are the test pictures of such groups; a group counts once.": in_test,
    }
    otherwise = "another number: take the groups of both sides as sets, and count the groups that they have in common."
    compare(number, len(both), slips, otherwise)
    return (
        f"{len(both)} groups are on both sides, and with them {in_test} of {len(test)} test pictures: for those the "
        "score measures memory."
    )
