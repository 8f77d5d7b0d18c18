"""`rank`: scores of candidate networks on the reader's pictures, with their costs."""

import functools
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.arguments import check_known, check_one_label
from tlkit.cpu.threads import hide_warnings
from tlkit.images.imageset import ImageSet
from tlkit.notices import show_progress
from tlkit.selection.candidates import Candidate
from tlkit.selection.evidence_scores import score_h, score_logme
from tlkit.selection.score_warnings import CONSTANT_SHARE, warn_of
from tlkit.selection.source import NoClassifierError, apply_classifier, load_classifier, score_leep, score_nce
from tlkit.selection.transferability import score_knn, score_linear_probe

SCORES = ("logme", "h", "knn", "linear_probe", "leep", "nce")
_DEPEND_ON_WIDTH = {"logme", "h"}


def rank(
    backbones: "Sequence[tl.Backbone | str | Candidate]",
    images: ImageSet,
    *,
    scores: Sequence[str] = ("logme", "h", "knn", "linear_probe"),
    engine: str = "auto",
    cache: bool = True,
    progress: bool = True,
) -> pd.DataFrame:
    """Score candidate networks on pictures, without training any of them.

    Parameters
    ----------
    backbones : sequence of Backbone, str or Candidate
        The candidates. A str is a name for `load_backbone`.
    images : ImageSet
        Training pictures. A test set used to choose a network is no longer a held-out set.
    scores : sequence of str, default ("logme", "h", "knn", "linear_probe")
        As in `score_logme` and so on. Without the network's own classifier, "leep" and "nce" are NaN.
    engine, cache, progress : str, bool and bool
        As in `Candidate.extract`.

    Returns
    -------
    pandas.DataFrame
        One row per candidate, sorted by the first score from high to low:

        - name, network, stage (str): the candidate, its network and its last stage.
        - image_size_px (int): height and width of the input, or length of texts in tokens.
        - constructed (bool): cut at an inner stage, or at another size than its weights; no such network is published.
        - n_features (int): number of features.
        - n_parameters, n_flops (int), parameters_mib (float): cost of the used part, FLOPs as in `Cost`.
        - published_accuracy (float): of the whole network, 0 to 1; NaN if unknown.
        - one column per score (float).
        - duration_s (float): time to load, extract features that weren't cached, and score.

    Raises
    ------
    ValueError
        If a score, stage or size is unknown, or a name occurs twice.

    Warns
    -----
    SelectionWarning
        If a condition misleads the scores: fewer pictures than features, different numbers of features, image sizes
        other than those of the weights, classes of one picture, or constant features.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").few(5)
    >>> inner = tl.selection.Candidate(tl.load_backbone("efficientnet_lite0", weights=None), stage="stem")
    >>> tl.selection.rank([inner], images, scores=["knn"], progress=False).name.tolist()
    ['efficientnet_lite0 until stem']
    """
    check_one_label("images", images)
    scores = check_known("scores", scores, SCORES)
    if not scores:
        raise ValueError(f"scores: none, expected some of {', '.join(SCORES)}")
    candidates = [backbones] if isinstance(backbones, (str, Candidate)) or hasattr(backbones, "body") else backbones
    candidates = [item if isinstance(item, Candidate) else Candidate(item) for item in candidates]
    if not candidates:
        raise ValueError("backbones: none, expected one candidate or more")
    rows, constant = [], []
    for candidate in show_progress(None, "candidates", "candidate", progress, iterable=candidates):
        start = time.perf_counter()
        backbone = candidate.build()
        row = _describe(candidate, backbone)
        if row["name"] in [other["name"] for other in rows]:
            advice = "name them apart with Candidate(backbone, name=…)"
            raise ValueError(f"backbones: {row['name']!r} occurs twice; {advice}")
        features = candidate._extract_with(backbone, images, engine, cache, progress)
        if (np.ptp(features.values, axis=0) == 0).mean() > CONSTANT_SHARE:
            constant.append(row["name"])
        row["n_features"] = features.values.shape[1]
        row |= _score(scores, backbone, features, inner=candidate._find_cut(backbone) is not None)
        rows.append(row | {"duration_s": time.perf_counter() - start})
    _warn_of_conditions(rows, images, scores, constant)
    table = pd.DataFrame(rows).astype({"published_accuracy": float})
    return table.sort_values(scores[0], ascending=False, kind="stable", ignore_index=True)


def _describe(candidate, backbone):
    """Return the columns of a candidate that need no features, and the image size of its weights."""
    from tlkit.backbones.networks import find_entry

    cut = candidate._find_cut(backbone)
    try:
        entry = find_entry(backbone.name)
        own_size_px, accuracy = (entry.recipe or backbone.recipe).input_size, entry.accuracy
    except ValueError:  # not in the catalogue
        own_size_px, accuracy = getattr(candidate.backbone, "image_size_px", backbone.image_size_px), None
    resized = backbone.image_size_px != own_size_px
    cost = backbone.cost(cut)
    name = backbone.name + (f" until {cut}" if cut else "") + (f" at {backbone.image_size_px} px" if resized else "")
    return {
        "name": candidate.name or name,
        "network": backbone.name,
        "stage": cut or backbone.stages[-1],
        "image_size_px": backbone.image_size_px,
        "constructed": bool(cut) or resized,
        "n_features": None,  # known once they are computed
        "n_parameters": cost.n_parameters,
        "n_flops": cost.n_flops,
        "parameters_mib": cost.parameters_mib,
        "published_accuracy": accuracy,
        "own_size_px": own_size_px,
    }


def _score(scores, backbone, features, *, inner):
    """Return {score: value} for the Features of a candidate; inner stages have no classifier."""
    values, labels, groups = features.values, features.labels, features.groups

    @functools.cache
    def predict():
        return apply_classifier(load_classifier(backbone), values)

    computed = {
        "logme": lambda: score_logme(values, labels),
        "h": lambda: score_h(values, labels),
        "knn": lambda: score_knn(values, labels, groups),
        "linear_probe": lambda: score_linear_probe(values, labels, groups),
        "leep": lambda: np.nan if inner else score_leep(predict(), labels),
        "nce": lambda: np.nan if inner else score_nce(predict().argmax(axis=1), labels),
    }
    row = {}
    with hide_warnings("values: |labels: "):  # `rank` warns once for all candidates
        for score in scores:
            try:
                row[score] = computed[score]()
            except NoClassifierError:
                row[score] = np.nan
    return row


def _warn_of_conditions(rows, images, scores, constant):
    """Warn of conditions that mislead the scores, once for all candidates."""
    n_single = int((np.bincount(images.labels) == 1).sum())
    widths = sorted({row["n_features"] for row in rows})
    resized = [row["name"] for row in rows if row["image_size_px"] != row.pop("own_size_px")]
    affected = sorted(_DEPEND_ON_WIDTH & set(scores))
    if affected and len(images) < widths[-1]:
        few = f"{len(images)} {images.noun}s and up to {widths[-1]} features"
        warn_of(f"{few}, so that {' and '.join(affected)} fit by chance")
    if affected and len(widths) > 1:
        warn_of(f"{widths[0]} to {widths[-1]} features: {' and '.join(affected)} depend on the width, too")
    if resized:
        warn_of(f"at another size than the weights were trained with, which costs accuracy: {', '.join(resized)}")
    if constant:
        warn_of(f"over a tenth of the features are the same on all {images.noun}s: {', '.join(constant)}")
    if n_single:
        noun = images.noun
        warn_of(f"{n_single} classes have one {noun}, which counts as wrong in scores that hold out {noun}s")
