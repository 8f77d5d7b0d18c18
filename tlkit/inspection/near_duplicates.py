"""Pictures that are nearly the same, found by what they show and not by their names. Without torch."""

import functools
import itertools

import numpy as np
from PIL import Image

from tlkit.arguments import check_number
from tlkit.images.imageset import check_images
from tlkit.inspection.picture_alignment import compare_aligned

LEAST_SIMILARITY = 0.87
_THUMBNAIL_PX = 64
_COARSE_PX = 12
_LEAST_CORRELATION = 0.8  # of coarse pictures, to be compared closely
_N_COMPARED = 6
_N_AT_ONCE = 256
_N_STARTS = 6
# How to begin laying two pictures over each other: which part, of which of them.
_START = np.dtype([("box", int), ("mirrored", bool), ("of_ours", bool)])
_TYPES = {"first": int, "second": int, "similarity": float, "mirrored": bool, "kind": str}
# Parts of a picture, left, top and side in shares of it: whole, then crops to all corners.
_BOXES = (
    (0.0, 0.0, 1.0),
    *((x * (1 - side), y * (1 - side), side) for side in (0.95, 0.9) for y in (0, 0.5, 1) for x in (0, 0.5, 1)),
)


def find_near_duplicates(first, second=None, *, least_similarity=LEAST_SIMILARITY, mirrored=True):
    """Find pairs of pictures that show the same but for compression, size, a narrow crop, brightness or a mirror.

    Coarse pictures, 12 pixels wide, are correlated with those of all parts that a crop of up to a tenth could have
    left. For each picture the most alike, six at most, are then laid over it, from several starts, and compared window
    by window; see `compare_aligned`. Nothing is learned, no network is asked: what a network takes for the same is
    another question.

    Arguments
    ---------
    first: ImageSet
    second: ImageSet, optional
        Without it, pairs within the first are found, each once.
    least_similarity: float
        Of a pair, up to 1. Lower values find worse copies, and more that are only drawn alike.
    mirrored: bool
        Find mirrored pictures too.

    Returns a DataFrame, a row a pair, the most similar first: first, second (positions), similarity, mirrored, kind
    ("same file", or "near"). Raises TypeError for what isn't an ImageSet, ValueError for a similarity out of range.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="photo")[:20]
    >>> find_near_duplicates(images[:4], images).kind.tolist()
    ['same file', 'same file', 'same file', 'same file']
    """
    import pandas as pd

    check_images("first", first)
    if second is not None:
        check_images("second", second)
    check_number("least_similarity", least_similarity, above=0, at_most=1)
    within = second is None
    ours = _read_thumbnails(first)
    theirs = ours if within else _read_thumbnails(second)
    places, starts = _find_candidates(ours, theirs, within, mirrored)
    similarity, is_mirrored = np.full(len(places), -1.0), np.zeros(len(places), bool)
    for rank in range(starts.shape[1]):
        # Where laying them over each other begins decides where it ends: it begins elsewhere until they are alike.
        rest = np.flatnonzero(similarity < least_similarity)
        alike = _compare_closely(ours[places[rest, 0]], theirs[places[rest, 1]], starts[rest, rank])
        better = alike > similarity[rest]
        similarity[rest[better]] = alike[better]
        is_mirrored[rest[better]] = starts["mirrored"][rest[better], rank]
    pairs = pd.DataFrame({"first": places[:, 0], "second": places[:, 1], "similarity": np.minimum(similarity, 1.0)})
    pairs = pairs.assign(mirrored=is_mirrored, kind="near")
    same = pd.DataFrame(_find_same_files(first, second), columns=["first", "second"])
    same = same.assign(similarity=1.0, mirrored=False, kind="same file")
    pairs = pd.concat([same, pairs[pairs["similarity"] >= least_similarity]]).astype(_TYPES)
    pairs = pairs.drop_duplicates(["first", "second"])  # of a pair that is both, the file
    return pairs.sort_values(["similarity", "first", "second"], ascending=[False, True, True], ignore_index=True)


def _read_thumbnails(images):
    """Return (n, _THUMBNAIL_PX, _THUMBNAIL_PX, 3) float32, each picture squeezed into a square."""
    size = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    thumbnails = np.empty((len(images), *size, 3), np.float32)
    for index in range(len(images)):
        thumbnails[index] = images.read(index).resize(size, Image.Resampling.BILINEAR)
    return thumbnails


def _find_same_files(first, second):
    digests = [first.digest(index) for index in range(len(first))]
    places = {}
    if second is None:
        for index, digest in enumerate(digests):
            places.setdefault(digest, []).append(index)
        return [pair for same in places.values() for pair in itertools.combinations(same, 2)]
    for index in range(len(second)):
        places.setdefault(second.digest(index), []).append(index)
    return [(index, other) for index, digest in enumerate(digests) for other in places.get(digest, [])]


def _find_candidates(ours, theirs, within, mirrored):
    """Return places (m, 2) of pairs to compare closely, and for each (m, _N_STARTS) how to begin, likeliest first."""
    our_parts = _describe_parts(ours)
    their_parts = our_parts if within else _describe_parts(theirs)
    sides = {False: their_parts}
    if mirrored:
        sides[True] = _describe_parts(theirs[:, :, ::-1])
    variants = [(0, is_mirrored, False) for is_mirrored in sides]
    variants += [(box, *rest) for box in range(1, len(_BOXES)) for rest in itertools.product(sides, (False, True))]
    variants = np.array(variants, _START)
    # The mirror image of a crop of ours is compared with the whole mirrored picture: the same thing.
    compared = [
        (our_parts[box], sides[is_mirrored][0]) if of_ours else (our_parts[0], sides[is_mirrored][box])
        for box, is_mirrored, of_ours in variants
    ]
    places = [np.empty((0, 2), int)]
    for start in range(0, len(ours), _N_AT_ONCE):
        rows, first_column = slice(start, start + _N_AT_ONCE), start if within else 0
        best = functools.reduce(np.maximum, (here[rows] @ there[first_column:].T for here, there in compared))
        if within:
            best[np.tril_indices(*(best.shape[0], 0, best.shape[1]))] = -1.0  # each pair once, none with itself
        order = np.argsort(-best, axis=1)[:, :_N_COMPARED]
        row, rank = np.nonzero(np.take_along_axis(best, order, axis=1) >= _LEAST_CORRELATION)
        places.append(np.stack([start + row, first_column + order[row, rank]], axis=1))
    places = np.concatenate(places)
    # Which variant it was is asked again for the few that are left, which takes less than to keep it for all.
    correlations = np.stack(
        [np.einsum("nd,nd->n", here[places[:, 0]], there[places[:, 1]]) for here, there in compared]
    )
    return places, _rank_starts(variants, correlations)


def _rank_starts(variants, correlations):
    """Return (m, _N_STARTS): of the variants, the best of each size, side and owner; of these the most alike first."""
    kinds = [(_BOXES[box][2], *rest) for box, *rest in variants.tolist()]
    best = []
    for kind in dict.fromkeys(kinds):
        numbers = np.flatnonzero([other == kind for other in kinds])
        best.append(numbers[np.argmax(correlations[numbers], axis=0)])
    best = np.stack(best, axis=1)
    order = np.argsort(-np.take_along_axis(correlations.T, best, axis=1), axis=1)[:, :_N_STARTS]
    return variants[np.take_along_axis(best, order, axis=1)]


def _describe_parts(thumbnails):
    """Return (n_boxes, n, d) float32: each part of each picture, coarse, centred and of length 1."""
    n, side = thumbnails.shape[:2]
    rows = thumbnails.transpose(1, 0, 2, 3).reshape(side, -1)
    parts = np.empty((len(_BOXES), n, _COARSE_PX * _COARSE_PX * 3), np.float32)
    for number, (left, top, extent) in enumerate(_BOXES):
        shown = (_average(top, extent) @ rows).reshape(_COARSE_PX, n, side, 3).transpose(2, 1, 0, 3)
        shown = _average(left, extent) @ shown.reshape(side, -1)
        values = shown.reshape(_COARSE_PX, n, _COARSE_PX * 3).transpose(1, 0, 2).reshape(parts.shape[1:])
        values = values - values.mean(axis=1, keepdims=True)
        parts[number] = values / (np.linalg.norm(values, axis=1, keepdims=True) + 1e-6)
    return parts


def _average(start, extent):
    """Return the matrix (_COARSE_PX, _THUMBNAIL_PX) that takes means over equal shares of a part of a row of pixels."""
    edges = (start + extent * np.arange(_COARSE_PX + 1) / _COARSE_PX) * _THUMBNAIL_PX
    pixels = np.arange(_THUMBNAIL_PX)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    covered = np.clip(covered, 0, None)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


def _compare_closely(ours, theirs, starts):
    boxes = np.array([(*box, box[2]) for box in _BOXES])[starts["box"]]
    theirs = np.where(starts["mirrored"][:, None, None, None], theirs[:, :, ::-1], theirs)
    swapped = starts["of_ours"][:, None, None, None]
    return compare_aligned(np.where(swapped, theirs, ours), np.where(swapped, ours, theirs), boxes)
