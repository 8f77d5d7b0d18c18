"""Near duplicates: pictures or texts with nearly the same content, found by it and not by names. Without torch."""

import functools
import itertools

import numpy as np
import pandas as pd
from PIL import Image

from tlkit.arguments import check_number
from tlkit.images.imageset import ImageSet, check_images
from tlkit.inspection.picture_alignment import compare_aligned
from tlkit.texts.words import list_terms

MIN_SIMILARITY = 0.87
_THUMBNAIL_PX = 64
_COARSE_PX = 12
_MIN_CORRELATION = 0.8  # between coarse pictures, for a close comparison
_N_CANDIDATES = 6
_N_AT_ONCE = 256
_N_STARTS = 6
# A start of the alignment: which part (box) of which of the two pictures shows the other one, and if it is mirrored.
_START = np.dtype([("box", int), ("mirrored", bool), ("in_first", bool)])
_TYPES = {"first": int, "second": int, "similarity": float, "mirrored": bool, "kind": str}
# Parts of a picture as left, top and side, in shares of it: the whole, then crops of two sizes at nine positions.
_BOXES = (
    (0.0, 0.0, 1.0),
    *((x * (1 - side), y * (1 - side), side) for side in (0.95, 0.9) for y in (0, 0.5, 1) for x in (0, 0.5, 1)),
)


def find_near_duplicates(
    first: ImageSet, second: ImageSet | None = None, *, min_similarity: float = MIN_SIMILARITY, mirrored: bool = True
) -> pd.DataFrame:
    """Find pairs of pictures that differ only by compression, size, a narrow crop, brightness or mirroring.

    Texts are compared by the cosine of TF-IDF vectors over all given texts. No network is involved.

    Parameters
    ----------
    first, second : ImageSet or TextSet
        Pictures or texts, and others. If the latter are omitted, pairs within the first set are found.
    min_similarity : float, default 0.87
        Smallest similarity of a pair, above 0 and up to 1. Lower values find more, also what only looks alike.
    mirrored : bool, default True
        Find mirrored pictures too; texts have none.

    Returns
    -------
    DataFrame
        One row per pair, most similar first:

        - first, second (int): indices of the two.
        - similarity (float), mirrored (bool): up to 1, and whether one is the mirror image of the other.
        - kind (str): "same file", for texts "same text", or "near".

    Raises
    ------
    TypeError, ValueError
        If an argument is no ImageSet, the two sets hold different things, or the similarity is out of range.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="photo")[:20]
    >>> find_near_duplicates(images[:2], images).kind.tolist()
    ['same file', 'same file']
    """
    check_images("first", first, several=True)
    if second is not None:
        check_images("second", second, several=True)
        if second.noun != first.noun:
            raise TypeError(f"second: {second.noun}s, expected {first.noun}s, as the first are")
    check_number("min_similarity", min_similarity, above=0, at_most=1)
    if first.noun == "text":
        candidates, similarity = _compare_texts(first, second, min_similarity)
        is_mirrored = False
    else:
        candidates, similarity, is_mirrored = _compare_pictures(first, second, min_similarity, mirrored)
    columns = {"first": candidates[:, 0], "second": candidates[:, 1], "similarity": np.minimum(similarity, 1.0)}
    pairs = pd.DataFrame(columns).assign(mirrored=is_mirrored, kind="near")
    same = pd.DataFrame(_find_same_files(first, second), columns=["first", "second"])
    same = same.assign(similarity=1.0, mirrored=False, kind="same file" if first.noun == "picture" else "same text")
    pairs = pd.concat([same, pairs[pairs["similarity"] >= min_similarity]]).astype(_TYPES)
    pairs = pairs.drop_duplicates(["first", "second"])  # keeps the same ones, which come first
    return pairs.sort_values(["similarity", "first", "second"], ascending=[False, True, True], ignore_index=True)


def _compare_pictures(first, second, min_similarity, mirrored):
    """Return pairs (m, 2) of indices that may be copies, their similarities (m,), and which are mirrored (m,)."""
    # First, coarse pictures (12 px) are correlated with all parts that a crop of up to a tenth could have left. For
    # each picture, the best few candidates are then aligned with it and compared window by window; see
    # `compare_aligned`. The alignment is local, so it begins at several starts until the two pictures are similar.
    within = second is None
    first_thumbnails = _read_thumbnails(first)
    second_thumbnails = first_thumbnails if within else _read_thumbnails(second)
    candidates, starts = _find_candidates(first_thumbnails, second_thumbnails, within, mirrored)
    similarity, is_mirrored = np.full(len(candidates), -1.0), np.zeros(len(candidates), bool)
    for rank in range(starts.shape[1]):
        rest = np.flatnonzero(similarity < min_similarity)
        chosen = starts[rest, rank]
        one, other = first_thumbnails[candidates[rest, 0]], second_thumbnails[candidates[rest, 1]]
        other = np.where(chosen["mirrored"][:, None, None, None], other[:, :, ::-1], other)
        swapped = chosen["in_first"][:, None, None, None]
        boxes = np.array([(*box, box[2]) for box in _BOXES])[chosen["box"]]
        found = compare_aligned(np.where(swapped, other, one), np.where(swapped, one, other), boxes)
        better = found > similarity[rest]
        similarity[rest[better]] = found[better]
        is_mirrored[rest[better]] = starts["mirrored"][rest[better], rank]
    return candidates, similarity, is_mirrored


def _read_thumbnails(images):
    """Return (n, _THUMBNAIL_PX, _THUMBNAIL_PX, 3) float32, each picture stretched to a square."""
    size = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    thumbnails = np.empty((len(images), *size, 3), np.float32)
    for index in range(len(images)):
        thumbnails[index] = images.read(index).resize(size, Image.Resampling.BILINEAR)
    return thumbnails


def _find_same_files(first, second):
    """Return pairs of indices of pictures from identical files."""
    digests = [first.digest(index) for index in range(len(first))]
    indices = {}
    if second is None:
        for index, digest in enumerate(digests):
            indices.setdefault(digest, []).append(index)
        return [pair for same in indices.values() for pair in itertools.combinations(same, 2)]
    for index in range(len(second)):
        indices.setdefault(second.digest(index), []).append(index)
    return [(index, other) for index, digest in enumerate(digests) for other in indices.get(digest, [])]


def _find_candidates(first, second, within, mirrored):
    """Return pairs (m, 2) of indices to compare closely, and their starts (m, _N_STARTS), most promising first."""
    first_parts = _describe_parts(first)
    second_parts = first_parts if within else _describe_parts(second)
    sides = {False: second_parts}
    if mirrored:
        sides[True] = _describe_parts(second[:, :, ::-1])
    variants = [(0, is_mirrored, False) for is_mirrored in sides]
    variants += [(box, *rest) for box in range(1, len(_BOXES)) for rest in itertools.product(sides, (False, True))]
    variants = np.array(variants, _START)
    # A crop of the first picture is compared with the whole second one, which may be mirrored.
    compared = [
        (first_parts[box], sides[is_mirrored][0]) if in_first else (first_parts[0], sides[is_mirrored][box])
        for box, is_mirrored, in_first in variants
    ]
    pairs = [np.empty((0, 2), int)]
    for start in range(0, len(first), _N_AT_ONCE):
        rows, first_column = slice(start, start + _N_AT_ONCE), start if within else 0
        best = functools.reduce(np.maximum, (one[rows] @ other[first_column:].T for one, other in compared))
        if within:
            best[np.tril_indices(*(best.shape[0], 0, best.shape[1]))] = -1.0  # each pair once, none with itself
        order = np.argsort(-best, axis=1)[:, :_N_CANDIDATES]
        row, rank = np.nonzero(np.take_along_axis(best, order, axis=1) >= _MIN_CORRELATION)
        pairs.append(np.stack([start + row, first_column + order[row, rank]], axis=1))
    pairs = np.concatenate(pairs)
    # Computed again for the few candidates, which is cheaper than keeping all variants of all pairs above.
    correlations = np.stack([np.einsum("nd,nd->n", one[pairs[:, 0]], other[pairs[:, 1]]) for one, other in compared])
    return pairs, _rank_starts(variants, correlations)


def _rank_starts(variants, correlations):
    """Return starts (m, _N_STARTS) by correlations (n_variants, m): the best variant of each kind, best kind first."""
    kinds = [(_BOXES[box][2], *rest) for box, *rest in variants.tolist()]  # size, mirrored, which picture is cropped
    best = []
    for kind in dict.fromkeys(kinds):
        indices = np.flatnonzero([other == kind for other in kinds])
        best.append(indices[np.argmax(correlations[indices], axis=0)])
    best = np.stack(best, axis=1)
    order = np.argsort(-np.take_along_axis(correlations.T, best, axis=1), axis=1)[:, :_N_STARTS]
    return variants[np.take_along_axis(best, order, axis=1)]


def _describe_parts(thumbnails):
    """Return (n_boxes, n, d) float32: each part of each picture, coarse, centred and of norm 1."""
    n, side = thumbnails.shape[:2]
    rows = thumbnails.transpose(1, 0, 2, 3).reshape(side, -1)
    parts = np.empty((len(_BOXES), n, _COARSE_PX * _COARSE_PX * 3), np.float32)
    for index, (left, top, extent) in enumerate(_BOXES):
        shown = (_average(top, extent) @ rows).reshape(_COARSE_PX, n, side, 3).transpose(2, 1, 0, 3)
        shown = _average(left, extent) @ shown.reshape(side, -1)
        values = shown.reshape(_COARSE_PX, n, _COARSE_PX * 3).transpose(1, 0, 2).reshape(parts.shape[1:])
        values = values - values.mean(axis=1, keepdims=True)
        parts[index] = values / (np.linalg.norm(values, axis=1, keepdims=True) + 1e-6)
    return parts


def _average(start, extent):
    """Return the matrix (_COARSE_PX, _THUMBNAIL_PX) that averages equal intervals of a part of a row of pixels."""
    edges = (start + extent * np.arange(_COARSE_PX + 1) / _COARSE_PX) * _THUMBNAIL_PX
    pixels = np.arange(_THUMBNAIL_PX)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    covered = np.clip(covered, 0, None)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)


_N_TEXTS_AT_ONCE = 1024


def _compare_texts(first, second, min_similarity):
    """Return pairs (m, 2) of indices, and their similarities (m,); within the first set if there is no second."""
    # The similarity is the cosine of TF-IDF vectors, as in `weigh_terms`, so the order of the words doesn't matter. A
    # text without words, such as "!!!", counts as one term. The vectors are sparse, which keeps all pairs affordable.
    from sklearn.feature_extraction.text import TfidfVectorizer

    sides = [[part.read(row) for row in range(len(part))] for part in (first, second) if part is not None]
    vectorizer = TfidfVectorizer(analyzer=lambda text: list_terms(text) or [text], sublinear_tf=True)
    vectorizer.fit(itertools.chain(*sides))
    vectors = [vectorizer.transform(side) for side in sides]
    pairs, similarities = [np.empty((0, 2), int)], [np.empty(0)]
    for start in range(0, len(first), _N_TEXTS_AT_ONCE):
        found = (vectors[0][start : start + _N_TEXTS_AT_ONCE] @ vectors[-1].T).tocoo()
        rows, columns = found.row + start, found.col
        kept = found.data >= min_similarity
        if second is None:
            kept &= rows < columns  # each pair once, none with itself
        pairs.append(np.stack([rows[kept], columns[kept]], axis=1))
        similarities.append(found.data[kept])
    return np.concatenate(pairs), np.concatenate(similarities)
