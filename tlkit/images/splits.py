"""Splits of pictures: test folds that keep groups together, and nested draws of a few shots."""

import hashlib
import warnings

import numpy as np

from tlkit.arguments import check_count

_PUBLISHED = (5, 0)  # number of folds and seed of published folds
N_FOLDS = 5


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
    # scikit-learn assigns the groups one by one, those with the most uneven classes first, each to the fold that then
    # has the most even classes. groups=None means one group per picture, which is much faster than that many names.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    n_groups = len(labels) if groups is None else len(np.unique(groups))
    n_largest = np.bincount(labels).max()
    if n_groups < n_folds or n_largest < n_folds:
        raise ValueError(
            f"n_folds: {n_folds}, but there are only {n_groups} groups, and {n_largest} pictures in the "
            f"largest class, expected at most {min(n_groups, n_largest)}: take fewer folds or add pictures"
        )
    folds = np.empty(len(labels), dtype=np.int64)
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Some class is smaller than n_folds; ImageSet.split warns by name if that matters for its fold.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, test) in enumerate(splitter.split(labels, labels, groups)):
            folds[test] = fold
    return folds


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
    for label in np.unique(labels):
        key = hashlib.sha256(f"{seed}\0{classes[label]}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(key[:16], "big"))
        members = np.flatnonzero(labels == label)
        members = members[np.argsort(names[members])]
        queues = []
        for group in random.permutation(np.unique(groups[members])):
            queues.append(random.permutation(members[groups[members] == group]))
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
