"""`rank`: candidate networks with their scores on the reader's pictures beside what they cost."""

import dataclasses
import functools
import time
import warnings

import numpy as np

from tlkit.arguments import check_known
from tlkit.selection.score_warnings import SelectionWarning
from tlkit.selection.source import NoClassifierError, apply_classifier, load_classifier
from tlkit.selection.source_scores import score_leep, score_nce
from tlkit.selection.transferability import score_h, score_knn, score_linear_probe, score_logme

SCORES = ("logme", "h", "knn", "linear_probe", "leep", "nce")
_DEPEND_ON_WIDTH = {"logme", "h"}
_WORTH_CONVERTING = 500


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network, or a part of one, that may be chosen.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
    stage: str or negative int, optional
        The network is cut behind this stage, and its features are the mean over the map that comes out there.
    image_size_px: int, optional
        Height and width of what it sees; by default the backbone's.
    name: str, optional
        By default put together from the network, the stage and the size.
    """

    backbone: object
    stage: str | int | None = None
    image_size_px: int | None = None
    name: str | None = None

    def build(self):
        """Return the `Backbone` of this candidate's size; it shares the parameters of the one given."""
        from tlkit.backbones.backbone import Backbone
        from tlkit.backbones.loader import load_backbone

        whole = self.backbone
        if isinstance(whole, str):
            whole = load_backbone(whole, image_size_px=self.image_size_px)
        if not isinstance(whole, Backbone):
            raise TypeError(f"backbones: a {type(whole).__name__}, expected Backbones, their names, or Candidates")
        if self.image_size_px in (None, whole.image_size_px):
            return whole
        _check_size(whole.name, self.image_size_px)
        recipe = whole.recipe.at(self.image_size_px)
        return Backbone(whole.name, dict(whole.body.items()), whole.tail, recipe, whole.provenance)

    def find_cut(self, backbone):
        """Return the name of the stage behind which a `Backbone` is cut; None where it isn't, or behind the last."""
        place = len(backbone.stages) - 1 if self.stage is None else backbone.find_stage(self.stage)
        return None if place == len(backbone.stages) - 1 else backbone.stages[place]

    def extract(self, images, engine="auto", *, cache=True, progress=True):
        """Return the `Features` of pictures that this candidate gives.

        Arguments as in `extract_features`, but that "auto" takes torch for fewer than 500 pictures: they are computed
        sooner than a network is converted for OpenVINO.
        """
        return self._extract_with(self.build(), images, engine, cache, progress)

    def _extract_with(self, backbone, images, engine, cache, progress):
        from tlkit.features.extract import extract_features

        if engine == "auto" and len(images) < _WORTH_CONVERTING:
            engine = "torch"
        stage = self.find_cut(backbone)
        return extract_features(backbone, images, engine, cache=cache, progress=progress, stage=stage)


def rank(backbones, images, *, scores=("logme", "h", "knn", "linear_probe"), engine="auto", cache=True, progress=True):
    """Score candidates on pictures, without training any of them.

    Features of each candidate are computed once, kept, and serve all its scores. Pictures of one group are never both
    learned and tested by the scores that do so.

    Arguments
    ---------
    backbones: list of Backbone, name for `load_backbone`, or Candidate
    images: ImageSet
        Training pictures: a test set that has helped to choose is none any longer.
    scores: sequence of "logme", "h", "knn", "linear_probe", "leep", "nce"
        See `score_logme` and so on. The last two ask for the network's own classifier and are NaN where it isn't at
        hand, and for inner stages.
    engine, cache, progress: as in `Candidate.extract`

    Returns a DataFrame, a row a candidate, sorted by the first score, the highest first: name; network; stage (whose
    output it takes: the last, unless it was cut); image_size_px; constructed (cut at an inner stage, or at another size
    than its weights were trained with: nobody publishes such a network); n_features; n_parameters, n_flops (one
    picture; a multiplication with its addition counts as 2) and parameters_mib of what is left of the network;
    published_accuracy of the whole network (fraction, NaN where unknown); the scores; duration_s of loading, computing
    the features that weren't kept, and scoring.

    Raises ValueError for unknown scores, stages, sizes or a name that occurs twice. Warns (`SelectionWarning`) of what
    fools the scores: fewer pictures than features, unequal numbers of features, sizes other than the weights' own,
    classes of one picture, features that are the same on all pictures.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart").few(5)
    >>> network = tl.load_backbone("efficientnet_lite0", weights=None)
    >>> inner = tl.selection.Candidate(network, stage="stem")
    >>> tl.selection.rank([inner], images, scores=["knn"], progress=False).name.tolist()
    ['efficientnet_lite0 until stem']
    """
    import pandas as pd

    scores = check_known("scores", scores, SCORES)
    if not scores:
        raise ValueError(f"scores: none, expected some of {', '.join(SCORES)}")
    candidates = [backbones] if isinstance(backbones, (str, Candidate)) or hasattr(backbones, "body") else backbones
    candidates = [item if isinstance(item, Candidate) else Candidate(item) for item in candidates]
    if not candidates:
        raise ValueError("backbones: none, expected one candidate or more")
    rows, constant = [], []
    for candidate in candidates:
        start = time.perf_counter()
        backbone = candidate.build()
        row = _describe(candidate, backbone)
        if row["name"] in [other["name"] for other in rows]:
            raise ValueError(
                f"backbones: {row['name']!r} is there twice; tell them apart with Candidate(backbone, name=…)"
            )
        features = candidate._extract_with(backbone, images, engine, cache, progress)
        if (np.ptp(features.values, axis=0) == 0).mean() > 0.1:
            constant.append(row["name"])
        row["n_features"] = features.values.shape[1]
        row |= _score(scores, backbone, features, inner=candidate.find_cut(backbone) is not None)
        rows.append(row | {"duration_s": time.perf_counter() - start})
    _warn_of_what_fools(rows, images, scores, constant)
    table = pd.DataFrame(rows).astype({"published_accuracy": float})
    return table.sort_values(scores[0], ascending=False, kind="stable", ignore_index=True)


def _describe(candidate, backbone):
    from tlkit.backbones.networks import find_entry

    cut = candidate.find_cut(backbone)
    try:
        entry = find_entry(backbone.name)
        own_size_px, accuracy = entry.recipe.crop_size_px, entry.accuracy
    except ValueError:  # a network of the reader's own
        own_size_px, accuracy = candidate.backbone.image_size_px, None
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SelectionWarning)  # said once for all candidates at the end
        for score in scores:
            try:
                row[score] = computed[score]()
            except NoClassifierError:
                row[score] = np.nan
    return row


def _check_size(name, image_size_px):
    from tlkit.backbones.networks import CATALOGUE

    smallest = CATALOGUE[name].smallest_size_px if name in CATALOGUE else 1
    fixed = name in CATALOGUE and CATALOGUE[name].fixed_size
    if fixed or isinstance(image_size_px, bool) or not isinstance(image_size_px, int) or image_size_px < smallest:
        expected = "no other size than its own" if fixed else f"a whole number of at least {smallest}"
        raise ValueError(f"image_size_px: {image_size_px!r} for {name}, expected {expected}")


def _warn_of_what_fools(rows, images, scores, constant):
    counts = np.bincount(images.labels)
    widths = sorted({row["n_features"] for row in rows})
    foreign = [row["name"] for row in rows if row["image_size_px"] != row.pop("own_size_px")]
    judged = sorted(_DEPEND_ON_WIDTH & set(scores))
    if judged and len(images) < widths[-1]:
        _warn(f"{len(images)} pictures and up to {widths[-1]} features, so that {' and '.join(judged)} fit by chance")
    if judged and len(widths) > 1:
        _warn(f"{widths[0]} to {widths[-1]} features: {' and '.join(judged)} compare only networks of as many")
    if foreign:
        _warn(f"at another size than the weights were trained with, which costs accuracy: {', '.join(foreign)}")
    if constant:
        _warn(f"over a tenth of the features are the same on all pictures: {', '.join(constant)}")
    if (counts == 1).any():
        _warn(f"{(counts == 1).sum()} classes have one picture, which counts as wrong where scores test themselves")


def _warn(text):
    warnings.warn(text, SelectionWarning, stacklevel=4)
