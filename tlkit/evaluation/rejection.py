"""`Rejection`: "none of the above" for pictures that are unlike the known classes, fitted and judged. Without torch."""

import dataclasses

import numpy as np

from tlkit.arguments import check_number, check_one_label
from tlkit.features.arrays import check_features
from tlkit.features.features import Features
from tlkit.heads.numerics import normalise
from tlkit.images.splits import assign_folds
from tlkit.notices import warn

# AUROC for left-out classes, another style and plain walls (EfficientNet-Lite0, 224 px), first on photographs, then on
# clip-art: mahalanobis 0.87, 0.96, 1.00 and 0.67, 0.89, 1.00; neighbors 0.84, 0.94, 1.00 and 0.72, 0.80, 1.00; energy
# 0.87, 0.94, 0.99 and 0.75, 0.62, 0.96; probability 0.86, 0.91, 0.98 and 0.74, 0.57, 0.85. Subtracting the distance to
# the mean of all pictures, like Ren et al. 2021, gains 0.15 for left-out clip-art and loses 0.38 for other styles.
N_FOLDS = 5
N_DIRECTIONS = 128
MAX_VALUES = 2**19  # 2 MiB of float32


@dataclasses.dataclass(frozen=True, eq=False)
class Rejection:
    """A score of familiarity with its thresholds, as `fit_rejection` describes it."""

    score: str
    tensors: dict
    known: list
    default_share: float
    left_out: list
    auroc: float | None
    false_acceptance: float | None

    def familiarity(self, features):
        """Return the familiarity (n,) float64 of pictures by their features (n, n_features)."""
        return score_mahalanobis(normalise(np.asarray(features, np.float64)), **self.tensors)

    def find_threshold(self, share=None):
        """Return the familiarity below which a share of known pictures lies, by default the default share."""
        return find_threshold(self.known, self.default_share if share is None else check_share("reject", share))

    def reject(self, familiarity, share=None):
        """Return whether pictures are rejected, (n,) bool, by their familiarity."""
        return familiarity < self.find_threshold(share)

    def describe(self):
        """Return everything but the tensors as plain values, a dict."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "tensors"}


def check_share(argument, share):
    """Return a share of known pictures to reject as float, if it is one."""
    return check_number(argument, share, at_least=0, below=1, hint=", the share of known pictures to reject")


def find_threshold(known, share):
    """Return the value among sorted ones, or -inf, below which at most this share of new values is expected."""
    # A new picture is equally likely to have each rank among n known ones, so it is below the k-th with k / (n + 1).
    rank = int(share * (len(known) + 1) + 1e-9)
    return known[rank - 1] if rank else -np.inf


def score_mahalanobis(features, centres, directions):
    """Return minus the squared distance (n,) of features to the nearest centre, less its part along the directions."""
    # If the covariance is V diag(v) V' + t I, then t times its inverse is I - D D' with D = V diag(sqrt(v / (v + t))),
    # the directions. The factor t changes no order, and no matrix is larger than D.
    along = _square_distances(features @ directions, centres @ directions)
    return -(_square_distances(features, centres) - along).min(axis=1)


def _square_distances(rows, others):
    """Return the squared Euclidean distances (n, m) between (n, d) rows and (m, d) others."""
    squares = (rows**2).sum(axis=1)[:, None] - 2 * rows @ others.T + (others**2).sum(axis=1)
    return np.maximum(squares, 0.0)


def fit_rejection(features: Features, share: float = 0.05, learned: Features | None = None) -> Rejection:
    """Fit a score of familiarity to pictures of known classes, and judge it on left-out classes.

    Familiarity is minus the Mahalanobis distance [1]_ of the features to the nearest class mean. Means and covariance
    are those of other pictures. To judge it, each class is left out of them in turn, though not of a tuned network.

    Parameters
    ----------
    features, share : Features and float
        Features of held-out pictures that no tuned network has learned, and the share of known pictures to reject.
    learned : Features, optional
        Features of the training pictures, which then give means and covariance; by default other folds of `features`
        do, which keep groups together. A tuned network needs them if few pictures were held out.

    Returns
    -------
    Rejection
        An object with these attributes:

        - score (str), tensors (dict of str to ndarray): "mahalanobis", with "centres" and discounted "directions".
        - known (list of float), default_share (float): sorted familiarity of the held-out pictures, and the share.
        - left_out (list of dict): class, n, auroc and false_acceptance (share accepted) of each class when left out.
        - auroc, false_acceptance (float or None): means over these classes; None with fewer than three classes.

    Raises
    ------
    ValueError
        If there are too few pictures for the share, for example fewer than 19 for 0.05.

    References
    ----------
    .. [1] Lee, Lee, Lee and Shin 2018, A simple unified framework for detecting out-of-distribution samples and
       adversarial attacks. As in Mueller and Hein 2025, Mahalanobis++, features are first scaled to length 1. Our
       covariance is that of the pictures in 128 directions, plus the mean variance in all; it stays below 2 MiB.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="photo").select(classes=["bird", "bug", "tool"])
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = images.with_classes(["bird", "bug", "tool"])
    >>> rejection = fit_rejection(tl.extract_features(backbone, images, engine="torch", progress=False), 0.1)
    >>> [row["class"] for row in rejection.left_out]
    ['bird', 'bug', 'tool']
    """
    check_features(features)
    check_one_label("features", features)
    share, labels, groups = check_share("share", share), features.labels, features.groups
    source = features if learned is None else learned
    counts, n_groups = np.bincount(source.labels, minlength=len(features.classes)), len(np.unique(groups))
    n_needed, n_folds = int(np.ceil(1 / share - 1 - 1e-9)) if share else 1, min(N_FOLDS, counts.max(), n_groups)
    if len(labels) < n_needed or (learned is None and n_folds < 2):
        found = f"images: {len(labels)} pictures in {n_groups} groups"
        needed = f"at least {n_needed} pictures to reject a share of {share:g}, two of a class and two groups"
        raise ValueError(f"{found}, expected {needed}: add pictures, or take a larger share")
    if absent := [name for name, count in zip(features.classes, counts, strict=True) if not count]:
        warn(f"images: none of class {', '.join(absent)}, whose pictures will look unfamiliar: add some")
    values, source_values = (normalise(part.values.astype(np.float64)) for part in (features, source))
    folds = np.zeros(len(labels)) if learned is not None else assign_folds(labels, groups, n_folds, 0)
    source_folds = np.full(len(source.labels), -1) if learned is not None else folds

    def measure(left_out=-1):
        # All statistics come from other pictures: directions fit the pictures that they were found with too well.
        measured = np.empty(len(labels))
        for fold in np.unique(folds):
            some = (source_folds != fold) & (source.labels != left_out)
            tensors = fit_tensors(source_values[some], source.labels[some])
            measured[folds == fold] = score_mahalanobis(values[folds == fold], **tensors)
        return measured

    judged, means = [], (None, None)
    if len(present := np.intersect1d(labels, np.flatnonzero(counts))) < 3:
        warn(f"images: {len(present)} classes, expected three or more to judge the rejection on left-out classes")
    else:
        judged = [_judge(features.classes[label], measure(label), labels == label, share) for label in present]
        means = (float(np.mean([row[name] for row in judged])) for name in ("auroc", "false_acceptance"))
    tensors = fit_tensors(source_values, source.labels)
    return Rejection("mahalanobis", tensors, sorted(measure().tolist()), share, judged, *means)


def _judge(name, familiarity, is_left_out, share):
    """Return the entry of a class in the list of left-out classes."""
    from sklearn.metrics import roc_auc_score

    unknown, threshold = familiarity[is_left_out], find_threshold(np.sort(familiarity[~is_left_out]), share)
    auroc, accepted = roc_auc_score(~is_left_out, familiarity), (unknown >= threshold).mean()
    return {"class": name, "n": len(unknown), "auroc": float(auroc), "false_acceptance": float(accepted)}


def fit_tensors(values, labels):
    """Return the tensors of a `Rejection` for features (n, n_features) of length 1."""
    labels = np.unique(labels, return_inverse=True)[1]
    is_member = np.eye(labels.max() + 1)[labels]
    centres = is_member.T @ values / is_member.sum(axis=0)[:, None]
    deviations = values - centres[labels]
    n_directions = max(1, min(N_DIRECTIONS, MAX_VALUES // values.shape[1] - len(centres), *values.shape))
    # Singular vectors by the smaller of the two products. Directions without variance get a factor of 0 below.
    is_wide = len(deviations) < deviations.shape[1]
    product = deviations @ deviations.T if is_wide else deviations.T @ deviations
    squares, directions = (part[..., -n_directions:] for part in np.linalg.eigh(product))
    squares = np.maximum(squares, 1e-12 * max(squares[-1], 0.0))
    if is_wide:
        directions = deviations.T @ directions / np.sqrt(squares + np.finfo(float).tiny)
    variances, mean_variance = squares / len(values), np.mean(deviations**2) or 1.0
    directions = directions * np.sqrt(variances / (variances + mean_variance))
    return {"centres": centres.astype(np.float32), "directions": directions.astype(np.float32)}
