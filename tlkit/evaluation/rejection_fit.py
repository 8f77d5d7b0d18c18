"""Fit a `Rejection` to features of labelled pictures, and judge it on classes that are left out. Without torch."""

import numpy as np

from tlkit.evaluation.familiarity import find_basis, fit_mahalanobis
from tlkit.evaluation.rejection import Rejection, check_share, find_threshold, scale_to_length_1, score_mahalanobis
from tlkit.features.features import Features
from tlkit.images.splits import assign_folds
from tlkit.notices import warn

N_FOLDS = 5


def fit_rejection(features: Features, share: float = 0.05) -> Rejection:
    """Fit familiarity and its thresholds to pictures of known classes, and judge them on left-out classes.

    The familiarity of each picture is measured with the class means and covariance of other folds, which keep groups
    together. To judge it, each class is left out of them in turn. A tuned network has still learned the class, so new
    classes can be harder to recognise as unknown.

    Parameters
    ----------
    features : Features
        Features of pictures of all known classes. If the network was tuned, it must not have learned these pictures.
    share : float, default 0.05
        Share of known pictures to reject by default, 0 to 1.

    Returns
    -------
    Rejection
        The fitted score, with its AUROC and false acceptance on left-out classes.

    Raises
    ------
    ValueError
        If there are too few pictures for the share, for example fewer than 19 for 0.05.

    Warns
    -----
    UserWarning
        If a class has no picture, or there are too few classes to leave one out.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="photo").select(classes=["bird", "bug", "tool"])
    >>> images = images.with_classes(["bird", "bug", "tool"])
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> rejection = fit_rejection(tl.extract_features(backbone, images, engine="torch", progress=False), 0.1)
    >>> len(rejection.left_out), rejection.find_threshold() < rejection.find_threshold(0.5)
    (3, True)
    """
    share, labels, groups = check_share("share", share), features.labels, features.groups
    counts = np.bincount(labels, minlength=len(features.classes))
    n_needed = max(2, int(np.ceil(1 / share - 1 - 1e-9)) if share else 0)
    n_folds = min(N_FOLDS, counts.max(), len(np.unique(groups)))
    if len(labels) < n_needed or n_folds < 2:
        raise ValueError(
            f"images: {len(labels)} pictures in {len(np.unique(groups))} groups, expected at least {n_needed} pictures "
            f"to reject a share of {share:g}, two of a class and two groups: add pictures, or take a larger share"
        )
    if absent := [name for name, count in zip(features.classes, counts, strict=True) if not count]:
        warn(f"images: none of class {', '.join(absent)}, whose pictures will look unfamiliar: add some")
    values, folds = scale_to_length_1(features.values), assign_folds(labels, groups, n_folds, 0)
    bases = [find_basis(values[folds != fold], labels[folds != fold]) for fold in range(n_folds)]

    def measure(left_out=-1):
        # Familiarity (n,) of all pictures, with statistics of the other folds without a class.
        measured = np.empty(len(labels))
        for fold, basis in enumerate(bases):
            learned = (folds != fold) & (labels != left_out)
            tensors = fit_mahalanobis(values[learned], labels[learned], basis)
            measured[folds == fold] = score_mahalanobis(values[folds == fold], **tensors)
        return measured

    judged, means = [], (None, None)
    if len(present := np.flatnonzero(counts)) < 3:
        warn(f"images: {len(present)} classes, expected three or more to judge the rejection on left-out classes")
    else:
        judged = [_judge(features.classes[label], measure(label), labels == label, share) for label in present]
        means = (float(np.mean([row[name] for row in judged])) for name in ("auroc", "false_acceptance"))
    tensors = fit_mahalanobis(values, labels, find_basis(values, labels))
    return Rejection("mahalanobis", tensors, sorted(measure().tolist()), share, judged, *means)


def _judge(name, familiarity, is_left_out, share):
    """Return the entry of a class in `Rejection.left_out`."""
    from sklearn.metrics import roc_auc_score

    unknown, threshold = familiarity[is_left_out], find_threshold(np.sort(familiarity[~is_left_out]), share)
    auroc, accepted = roc_auc_score(~is_left_out, familiarity), (unknown >= threshold).mean()
    return {"class": name, "n": len(unknown), "auroc": float(auroc), "false_acceptance": float(accepted)}
