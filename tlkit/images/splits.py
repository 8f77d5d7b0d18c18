"""Splits of pictures: test folds that keep groups together, and nested draws of a few shots."""

import functools
import hashlib
import math
import operator
import warnings

import numpy as np

from tlkit.arguments import check_count

_PUBLISHED = (5, 0)  # number of folds and seed of published folds
N_FOLDS = 5
_N_AT_ONCE = 1024


def choose_test(labels, groups, folds, *, test_fold, n_folds, seed):
    """Return a mask (n,) bool of the test set: one fold, stratified by class, with each group on one side.

    >>> choose_test([0, 0, 1, 1], list("abcd"), [0, 1, 0, 1], test_fold=0, n_folds=5, seed=0)
    array([ True, False,  True, False])
    """
    labels, groups, folds = np.asarray(labels), np.asarray(groups), np.asarray(folds)
    n_folds = check_count("n_folds", n_folds, 2)
    test_fold = check_count("test_fold", test_fold, 0, n_folds - 1)
    seed = check_count("seed", seed, 0)
    n_groups = {label: len(np.unique(groups[labels == label])) for label in np.unique(labels)}
    if max(n_groups.values(), default=0) < 2:
        raise ValueError(
            f"split: {len(labels)} pictures with at most one group per class, expected a class with two or more "
            "groups, one for training and one for testing: add pictures (pictures of one group, such as copies, "
            "count once)"
        )
    if len(folds) and folds.min() >= 0 and (n_folds, seed) == _PUBLISHED:
        is_test = folds == test_fold
    else:
        is_test = assign_folds(labels, groups, n_folds, seed) == test_fold
    if is_test.all() or not is_test.any():
        side = "train" if is_test.all() else "test"
        raise ValueError(
            f"split: test_fold={test_fold} of {n_folds} would leave the {side} side empty ({len(labels)} "
            f"pictures, {len(np.unique(groups))} groups): choose another fold, fewer folds, or add pictures"
        )
    return is_test


def assign_folds(labels, groups, n_folds, seed):
    """Return the fold of each picture, (n,) int64, stratified by class; all pictures of a group share a fold.

    >>> sorted(assign_folds([0, 0, 1, 1], None, n_folds=2, seed=0).tolist())
    [0, 0, 1, 1]
    """
    n_groups = len(labels) if groups is None else len(np.unique(groups))
    n_largest = np.bincount(labels).max()
    if n_groups < n_folds or n_largest < n_folds:
        raise ValueError(
            f"n_folds: {n_folds}, but there are only {n_groups} groups, and {n_largest} pictures in the "
            f"largest class, expected at most {min(n_groups, n_largest)}: take fewer folds or add pictures"
        )
    if groups is not None:
        return _assign_groups(labels, groups, n_folds, seed)
    from sklearn.model_selection import StratifiedKFold  # one group per picture, much faster

    folds = np.empty(len(labels), dtype=np.int64)
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Some class is smaller than n_folds; ImageSet.split warns by name if that matters for its fold.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, test) in enumerate(splitter.split(labels, labels)):
            folds[test] = fold
    return folds


# The folds are those of scikit-learn's StratifiedGroupKFold, to the bit. The groups are assigned one by one, those with
# the most uneven classes first, each to the fold that then has the most even classes. scikit-learn computes the spread
# of every class for each group and fold; here only the classes of the group are computed anew.
def _assign_groups(labels, groups, n_folds, seed):
    """Return the fold of each picture (n,) int64 if pictures have groups."""
    _, labels, n_labels = np.unique(labels, return_inverse=True, return_counts=True)
    groups = np.unique(groups, return_inverse=True)[1]
    n_groups, n_classes = groups.max() + 1, len(n_labels)
    order = np.arange(n_groups)
    np.random.RandomState(seed).shuffle(order)
    groups = np.argsort(order)[groups]
    parts, n_pictures = np.unique(groups * n_classes + labels, return_counts=True)  # one part per group and class
    starts = np.searchsorted(parts // n_classes, np.arange(n_groups + 1))
    unevenness = []
    for first in range(0, n_groups, _N_AT_ONCE):
        rows = slice(starts[first], starts[min(first + _N_AT_ONCE, n_groups)])
        counts = np.zeros((min(_N_AT_ONCE, n_groups - first), n_classes))
        counts[parts[rows] // n_classes - first, parts[rows] % n_classes] = n_pictures[rows]
        unevenness.append(counts.std(axis=1))
    # NumPy adds up neighbours in pairs, but the rows of a matrix one by one.
    add_up = np.add.reduce if n_classes == 1 else functools.partial(functools.reduce, operator.add)
    spreads, sizes = np.zeros((n_folds, n_classes)), [0] * n_folds  # spread of each class if a fold got the group
    counts = [[0] * n_folds for _ in range(n_classes)]
    fold_of, starts, n_labels = np.empty(n_groups, dtype=np.int64), starts.tolist(), n_labels.tolist()
    classes, n_pictures = (parts % n_classes).tolist(), n_pictures.tolist()
    for group in np.argsort(-np.concatenate(unevenness), kind="stable").tolist():
        of_group = range(starts[group], starts[group + 1])
        for label, added in ((classes[part], n_pictures[part]) for part in of_group):
            for fold in range(n_folds):
                shares = [count / n_labels[label] for count in counts[label]]
                shares[fold] = (counts[label][fold] + added) / n_labels[label]
                mean = add_up(shares) / n_folds
                spreads[fold, label] = math.sqrt(add_up([(share - mean) * (share - mean) for share in shares]) / n_folds)
        best, least = 0, math.inf
        for fold, mean in enumerate((np.add.reduce(spreads, axis=1) / n_classes).tolist()):
            if mean < least or (abs(mean - least) <= 1e-8 + 1e-5 * least and sizes[fold] < sizes[best]):
                best, least = fold, mean
        for part in of_group:
            counts[classes[part]][best] += n_pictures[part]
            sizes[best] += n_pictures[part]
            spreads[:, classes[part]] = spreads[best, classes[part]]
        fold_of[group] = best
    return fold_of[groups]


def draw_shots(labels, groups, names, classes, *, shots, seed):
    """Return the ascending indices (m,) int of up to `shots` pictures per class, from different groups first.

    >>> draw_shots([0, 0, 0, 1], list("aabc"), list("stuv"), ["cat", "dog"], shots=2, seed=0).tolist()
    [0, 2, 3]
    """
    # The groups of a class are shuffled, and so are the pictures within each group. Rounds over the groups then take
    # one picture per group. The order depends only on the seed and the name of the class, so the draw of 2 shots is
    # part of the draw of 5, and other classes don't change it.
    labels, groups, names = np.asarray(labels), np.asarray(groups), np.asarray(names)
    shots = check_count("shots", shots, 1)
    seed = check_count("seed", seed, 0)
    drawn = []
    by_label = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels)))
    for label in np.unique(labels):
        key = hashlib.sha256(f"{seed}\0{classes[label]}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(key[:16], "big"))
        members = by_label[label][np.argsort(names[by_label[label]])]
        _, group, n_members = np.unique(groups[members], return_inverse=True, return_counts=True)
        queues = np.split(members[np.argsort(group, kind="stable")], np.cumsum(n_members)[:-1])
        queues = [random.permutation(queues[index]).tolist() for index in random.permutation(len(queues))]
        order = sorted((turn, row, index) for row, queue in enumerate(queues) for turn, index in enumerate(queue))
        drawn += [index for _, _, index in order[:shots]]
    return np.sort(np.array(drawn, dtype=np.int64))


def report_shortage(labels, classes, *, shots):
    """Return a text that lists the classes with fewer than `shots` pictures; absent classes are not listed.

    >>> report_shortage([0, 0, 1], ["cat", "dog", "fox"], shots=2)
    'dog has 1'
    """
    counts = np.bincount(labels, minlength=len(classes))
    return ", ".join(f"{name} has {count}" for name, count in zip(classes, counts, strict=True) if 0 < count < shots)


def split_for(images, seed):
    """Return (fold, training ImageSet, test ImageSet) of a seed."""
    fold = seed % N_FOLDS
    return fold, *images.split(test_fold=fold, n_folds=N_FOLDS)
