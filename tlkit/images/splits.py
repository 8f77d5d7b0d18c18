"""Splits of pictures: test folds that keep groups together, and nested draws of a few shots."""

import collections
import functools
import hashlib
import importlib
import itertools
import math
import operator

import numpy as np

from tlkit.arguments import check_count, check_present, check_shape
from tlkit.cpu.threads import hide_warnings
from tlkit.notices import warn

_PUBLISHED = (5, 0)  # number of folds and seed of published folds
N_FOLDS = 5


def choose_test(labels, groups, folds, *, test_fold, n_folds, seed, noun="picture"):
    """Return a mask (n,) bool of the test set: one fold, stratified by class, with each group on one side."""
    labels, groups, folds = np.asarray(labels), np.asarray(groups), np.asarray(folds)
    n_folds = check_count("n_folds", n_folds, 2)
    test_fold = check_count("test_fold", test_fold, 0, n_folds - 1)
    seed = check_count("seed", seed, 0)
    if max((len(np.unique(groups[rows])) for rows in list_members(labels)), default=0) < 2:
        raise ValueError(
            f"split: {len(labels)} {noun}s with at most one group per class, expected a class with two or more "
            f"groups, one for training and one for testing: add {noun}s ({noun}s of one group, such as copies, "
            "count once)"
        )
    # A part of the published set that lacks some folds gets new ones; one with a single fold is a test side.
    present = set(folds.tolist())
    if (n_folds, seed) == _PUBLISHED and (present == set(range(n_folds)) or (len(present) == 1 and min(present) >= 0)):
        if straddling := find_straddling(groups, folds):
            raise ValueError(f"split: group {straddling!r} is in several of the published folds: draw new ones")
        is_test = folds == test_fold
    else:
        is_test = assign_folds(labels, groups, n_folds, seed, noun) == test_fold
    if is_test.all() or not is_test.any():
        side = "train" if is_test.all() else "test"
        raise ValueError(
            f"split: test_fold={test_fold} of {n_folds} would leave the {side} side empty ({len(labels)} "
            f"{noun}s, {len(np.unique(groups))} groups): choose another fold, fewer folds, or add {noun}s"
        )
    return is_test


def assign_folds(labels, groups, n_folds, seed, noun="picture"):
    """Return the fold of each picture, (n,) int64, stratified by class; all pictures of a group share a fold."""
    n_groups = len(labels) if groups is None else len(np.unique(groups))
    n_largest = max(map(len, list_members(labels)))
    if n_groups < n_folds or n_largest < n_folds:
        raise ValueError(
            f"n_folds: {n_folds}, but there are only {n_groups} groups, and {n_largest} {noun}s in the "
            f"largest class, expected at most {min(n_groups, n_largest)}: take fewer folds or add {noun}s"
        )
    if np.ndim(labels) == 2:
        return importlib.import_module("tlkit.images.stratification").assign_label_folds(labels, groups, n_folds, seed)
    if groups is not None:
        return _assign_groups(labels, groups, n_folds, seed)
    from sklearn.model_selection import StratifiedKFold  # one group per picture, much faster

    folds = np.empty(len(labels), dtype=np.int64)
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    with hide_warnings("The least populated class"):
        # Some class is smaller than n_folds; ImageSet.split warns by name if that matters for its fold.
        for fold, (_, test) in enumerate(splitter.split(labels, labels)):
            folds[test] = fold
    return folds


def list_members(labels):
    """Return the rows of the pictures of each class that has any, or that have each of several labels."""
    if np.ndim(labels) == 2:
        return [np.flatnonzero(column) for column in labels.T]
    return np.split(np.argsort(labels, kind="stable"), np.cumsum(np.unique(labels, return_counts=True)[1])[:-1])


# The folds are those of scikit-learn's StratifiedGroupKFold, to the bit. The groups are assigned one by one, those with
# the most uneven classes first, each to the fold that then has the most even classes. scikit-learn computes the spread
# of every class for each group and fold; here only the classes of the group are computed anew.
def _assign_groups(labels, groups, n_folds, seed):
    """Return the fold of each picture (n,) int64 if pictures have groups."""
    _, labels, n_labels = np.unique(labels, return_inverse=True, return_counts=True)
    groups = np.unique(groups, return_inverse=True)[1]
    order = np.arange(groups.max() + 1)
    np.random.RandomState(seed).shuffle(order)
    groups = np.argsort(order)[groups]
    members = np.split(labels[np.argsort(groups, kind="stable")], np.cumsum(np.bincount(groups))[:-1])
    unevenness = np.array([np.bincount(group, minlength=len(n_labels)).astype(float).std() for group in members])
    # NumPy adds up neighbours in pairs, but the rows of a matrix one by one.
    add_up = np.add.reduce if len(n_labels) == 1 else functools.partial(functools.reduce, operator.add)
    counts, sizes = [[0] * n_folds for _ in n_labels], [0] * n_folds
    spreads = np.zeros((n_folds, len(n_labels)))  # of each class, if a fold got the group
    fold_of, n_labels = np.empty(len(members), dtype=np.int64), n_labels.tolist()
    for group in np.argsort(-unevenness, kind="stable"):
        added = collections.Counter(members[group].tolist())
        for label, fold in itertools.product(added, range(n_folds)):
            shares = [count / n_labels[label] for count in counts[label]]
            shares[fold] = (counts[label][fold] + added[label]) / n_labels[label]
            mean = add_up(shares) / n_folds
            spreads[fold, label] = math.sqrt(add_up([(share - mean) * (share - mean) for share in shares]) / n_folds)
        best, least = 0, math.inf
        for fold, mean in enumerate((np.add.reduce(spreads, axis=1) / len(n_labels)).tolist()):
            if mean < least or (abs(mean - least) <= 1e-8 + 1e-5 * least and sizes[fold] < sizes[best]):
                best, least = fold, mean
        for label in added:
            counts[label][best] += added[label]
            spreads[:, label] = spreads[best, label]
        sizes[best] += len(members[group])
        fold_of[group] = best
    return fold_of[groups]


def join_groups(groups, given, noun="picture"):
    """Return one group (n,) str per picture: pictures stay together if they share an old or a given group."""
    if isinstance(given, set | frozenset | bytes) or not hasattr(given, "__iter__"):
        raise TypeError(f"groups: a {type(given).__name__}, expected a list with one group per {noun}")
    given = list(given)
    check_shape("groups", [None] * len(given), (len(groups),), f"one group per {noun}")
    texts = np.array([str(value).strip() for value in given], dtype=str)
    check_present("groups", given, f"{noun}s")
    kinds = {isinstance(value, str): value for value in given}
    if len(kinds) > 1 or any(isinstance(value, list | dict | np.ndarray) for value in given):
        raise TypeError(f"groups: such as {list(kinds.values())}, expected all str or all whole numbers")
    # The old and the given groups are nodes, and each picture is an edge between two of them.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    old, (names, new) = np.unique(groups, return_inverse=True)[1], np.unique(texts, return_inverse=True)
    n_nodes = old.max(initial=-1) + 1 + len(names)
    edges = coo_matrix((np.ones(len(new)), (new, old + len(names))), shape=(n_nodes, n_nodes))
    component = connected_components(edges, directed=False)[1][: len(names)]
    _, first, number = np.unique(component, return_index=True, return_inverse=True)
    if len(first) == 1 < len(texts):
        raise ValueError(f"groups: {len(texts)} {noun}s are all in group {str(names[0])!r}: none is left to test on")
    if len(first) < len(names):
        other = np.setdiff1d(np.arange(len(names)), first)[0]
        example = f"for example, '{names[other]}' is joined with '{names[first[number[other]]]}'"
        warn(f"groups: {len(names)} become {len(first)}, since some share copies or other groups; {example}")
    return names[first[number]][new]


def find_straddling(groups, folds):
    """Return a group with pictures in several folds, or None."""
    pairs = np.unique(np.stack([np.unique(groups, return_inverse=True)[1], folds]), axis=1)[0]
    repeated = np.flatnonzero(pairs[1:] == pairs[:-1])
    return str(np.unique(groups)[pairs[repeated[0]]]) if len(repeated) else None


def draw_shots(labels, groups, names, classes, *, shots, seed):
    """Return the ascending indices (m,) int of up to `shots` pictures per class, from different groups first."""
    # Rounds over the shuffled groups of a class take one of each group's shuffled pictures. The order depends only on
    # the seed and the class's name, so the draw of 2 shots is part of the draw of 5, whatever other classes there are.
    labels, groups, names = np.asarray(labels), np.asarray(groups), np.asarray(names)
    shots = check_count("shots", shots, 1)
    seed = check_count("seed", seed, 0)
    if labels.ndim == 2:  # a picture is in the draw of each of its labels; those without any are one more class
        rows, labels = np.nonzero(np.column_stack([labels, ~labels.any(axis=1)]))
        return np.unique(rows[draw_shots(labels, groups[rows], names[rows], [*classes, ""], shots=shots, seed=seed)])
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


def report_shortage(classes, counts, shots, strict):
    """Warn of classes that have some pictures, but fewer than the shots; raise ValueError if `strict`."""
    counts = zip(classes, counts, strict=True)
    if shortage := ", ".join(f"{name} has {count}" for name, count in counts if 0 < count < shots):
        message = f"shots: {shots} wanted of each class, but {shortage}"
        if strict:
            raise ValueError(f"{message}: take fewer shots, or leave those out with select(classes=…)")
        warn(f"{message}; all there are is taken")


def split_for(images, seed):
    """Return (fold, training ImageSet, test ImageSet) of a seed."""
    n_largest, n_groups = images.counts.max(initial=0), len(np.unique(images.groups))
    if min(n_largest, n_groups) < N_FOLDS:
        counts = f"{n_largest} {images.noun}s in the largest class and {n_groups} groups"
        raise ValueError(f"images: {counts}, expected at least {N_FOLDS} of both: add some, or use test=")
    fold = seed % N_FOLDS
    return fold, *images.split(test_fold=fold, n_folds=N_FOLDS)
