"""Near duplicates among texts: pairs with nearly the same words. Without torch."""

import itertools

import numpy as np

from tlkit.texts.words import list_terms

_N_AT_ONCE = 1024


def compare_texts(first, second, min_similarity):
    """Return pairs (m, 2) of indices, and their similarities (m,); within the first set if there is no second."""
    # The similarity is the cosine of TF-IDF vectors, as in `weigh_terms`, so the order of the words doesn't matter. A
    # text without words, such as "!!!", counts as one term. The vectors are sparse, which keeps all pairs affordable.
    from sklearn.feature_extraction.text import TfidfVectorizer

    sides = [[part.read(row) for row in range(len(part))] for part in (first, second) if part is not None]
    vectorizer = TfidfVectorizer(analyzer=lambda text: list_terms(text) or [text], sublinear_tf=True)
    vectorizer.fit(itertools.chain(*sides))
    vectors = [vectorizer.transform(side) for side in sides]
    pairs, similarities = [np.empty((0, 2), int)], [np.empty(0)]
    for start in range(0, len(first), _N_AT_ONCE):
        found = (vectors[0][start : start + _N_AT_ONCE] @ vectors[-1].T).tocoo()
        rows, columns = found.row + start, found.col
        kept = found.data >= min_similarity
        if second is None:
            kept &= rows < columns  # each pair once, none with itself
        pairs.append(np.stack([rows[kept], columns[kept]], axis=1))
        similarities.append(found.data[kept])
    return np.concatenate(pairs), np.concatenate(similarities)
