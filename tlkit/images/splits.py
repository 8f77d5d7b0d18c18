"""Which pictures go where: test folds that no group straddles, and nested draws of a few shots."""

import hashlib
import warnings

import numpy as np

from tlkit.arguments import check_count

_PUBLISHED = (5, 0)  # the number of folds and the seed that published folds stand for


def choose_test(labels, groups, folds, *, test_fold, n_folds, seed):
    """Choose the pictures of one test fold, stratified by class, no group on both sides.

    Arguments
    ---------
    labels: (n,) int
    groups: (n,) str
    folds: (n,) int
        Published folds; they are taken when all are known, `n_folds` is 5 and `seed` is 0.
    test_fold: int
        0 to `n_folds` - 1.
    n_folds: int
    seed: int

    Returns (n,) bool, True for the test side. Raises ValueError where a side would be empty, or where
    there is but one group a class, so that nothing could be both learned and tested.

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
            f"split: {len(labels)} pictures with at most one group a class, expected two or more groups in a "
            "class, since one is learned and another tested: add pictures (pictures of one group, like "
            "copies, count once)"
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
    """Return the fold of each picture, (n,) int64, stratified by class, all pictures of a group in one fold.

    Arguments
    ---------
    labels: (n,) int
    groups: (n,) str, or None
        None makes each picture a group of its own, and is much faster than as many names.
    n_folds: int
    seed: int

    Raises ValueError where there are fewer groups, or fewer pictures in the largest class, than folds.

    >>> sorted(assign_folds([0, 0, 1, 1], None, n_folds=2, seed=0).tolist())
    [0, 0, 1, 1]
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    n_groups = len(labels) if groups is None else len(np.unique(groups))
    largest = np.bincount(labels).max()
    if n_groups < n_folds or largest < n_folds:
        raise ValueError(
            f"n_folds: {n_folds}, but there are only {n_groups} groups, and {largest} pictures in the "
            f"largest class, expected at most {min(n_groups, largest)}: take fewer folds or add pictures"
        )
    folds = np.empty(len(labels), dtype=np.int64)
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class smaller than n_folds: ImageSet.split says by name what that means for this fold.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, test) in enumerate(splitter.split(labels, labels, groups)):
            folds[test] = fold
    return folds


def draw_shots(labels, groups, names, classes, *, shots, seed):
    """Draw up to `shots` pictures of each class, first one a group, then a second one, and so on.

    The order in which a class's pictures would be drawn depends on the seed and the class's name alone,
    so a draw of 2 shots is part of the draw of 5, and other classes don't matter.

    Arguments
    ---------
    labels: (n,) int
    groups: (n,) str
    names: (n,) str
    classes: sequence of str
    shots: int
        At least 1.
    seed: int

    Returns (m,) int, the drawn pictures' indices, ascending.

    >>> draw_shots([0, 0, 0, 1], list("aabc"), list("stuv"), ["cat", "dog"], shots=2, seed=0).tolist()
    [0, 2, 3]
    """
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
        rounds = [(place, turn, index) for turn, queue in enumerate(queues) for place, index in enumerate(queue)]
        drawn += [index for _, _, index in sorted(rounds)[:shots]]
    return np.sort(np.array(drawn, dtype=np.int64))


def report_shortage(labels, classes, *, shots):
    """Say which classes have fewer than `shots` pictures, and how many they have (str, "" if none).

    A class without any picture isn't named: it was left out by `select`, or the domain doesn't have it.

    >>> report_shortage([0, 0, 1], ["cat", "dog", "fox"], shots=2)
    'dog has 1'
    """
    counts = np.bincount(labels, minlength=len(classes))
    return ", ".join(f"{name} has {count}" for name, count in zip(classes, counts, strict=True) if 0 < count < shots)
