"""Iterative stratification: folds of pictures with several labels each, with groups kept together."""

import numpy as np


# Sechidis, Tsoumakas and Vlahavas 2011 (On the stratification of multi-label data). The label with the fewest pictures
# left is divided first: each of its pictures goes to the fold that still lacks most of this label; ties go to the fold
# that lacks most pictures, then by chance. Here whole groups are assigned, those with most of the label first.
def assign_label_folds(labels, groups, n_folds, seed):
    """Return the fold (n,) int64 of pictures with (n, n_labels) 0/1 labels; all pictures of a group share a fold."""
    random = np.random.default_rng(seed)
    groups = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    counts = np.zeros((groups.max() + 1, labels.shape[1]), np.int64)  # of each group and label
    np.add.at(counts, groups, labels)
    sizes, chance = np.bincount(groups), random.permutation(len(counts))
    wanted = np.tile(counts.sum(axis=0) / n_folds, (n_folds, 1))  # pictures that a fold still lacks, of each label
    room, nothing = np.full(n_folds, len(labels) / n_folds), np.zeros(n_folds)
    fold_of = np.full(len(counts), -1)
    while (fold_of < 0).any():
        left = np.where(fold_of[:, None] < 0, counts, 0)
        totals = left.sum(axis=0)
        label = np.where(totals > 0, totals, np.inf).argmin() if totals.any() else None
        members = np.flatnonzero(fold_of < 0 if label is None else left[:, label])
        first = nothing[:1] if label is None else -left[members, label]
        order = np.lexsort((chance[members], -sizes[members], np.broadcast_to(first, len(members))))
        for group in members[order]:
            lacks = nothing if label is None else -wanted[:, label].round(9)
            best = np.lexsort((random.random(n_folds), -room.round(9), lacks))[0]
            fold_of[group] = best
            wanted[best] -= counts[group]
            room[best] -= sizes[group]
    return fold_of[groups]
