"""Words of texts: terms for TF-IDF against scikit-learn, dropout and crops against slow counts, in several scripts."""

import collections

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

import tlkit as tl
from tlkit.features.hand_made import weigh_terms
from tlkit.texts.words import crop_words, drop_words, list_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The cat's 3 Mäuse!", ["the", "cat", "s", "3", "mäuse"]),
        ("水牛: 动物", ["水", "牛", "水牛", "动", "物", "动物"]),
        ("ネコはcat、だ", ["ネ", "コ", "は", "ネコ", "コは", "cat", "だ"]),
        ("고양이 집", ["고양이", "집"]),
        ("...", []),
    ],
)
def test_terms_are_words_or_characters_and_pairs(text, terms):
    assert list_terms(text) == terms


def test_weights_are_those_of_scikit_learn_for_words():
    train, test = tl.load_texts("emoji", domain="fr").few(6).split()
    first, second = weigh_terms(train, test)
    reference = TfidfVectorizer(sublinear_tf=True, token_pattern=r"[^\W]+", dtype=np.float64)
    expected = reference.fit_transform([train.read(row) for row in range(len(train))]).toarray()
    assert first.values == pytest.approx(expected, abs=1e-6) and first.values.dtype == np.float32
    expected = reference.transform([test.read(row) for row in range(len(test))]).toarray()
    assert second.values == pytest.approx(expected, abs=1e-6)
    assert second.names.tolist() == test.names.tolist() and second.provenance["backbone"] == "hand_made"
    assert np.array_equal(weigh_terms(train, test)[1].values, second.values)


def test_terms_of_test_texts_count_for_nothing():
    texts = tl.load_texts([("red car", "a"), ("blue sky", "b"), ("red unknown words", "a")])
    train, test = weigh_terms(texts[:2], texts[2:])
    assert train.values.shape == (2, 4) and np.count_nonzero(test.values) == 1
    assert np.array_equal(weigh_terms(texts[:2], texts[:1])[0].values, train.values)


TEXTS = ("one two  three\tfour five six seven eight nine ten", "一 二，三四五六七八九十", "ten words: これは日本語 ok")


@pytest.mark.parametrize("text", TEXTS)
def test_each_word_is_dropped_with_the_same_probability(text):
    random, counts, n_draws = np.random.default_rng(0), collections.Counter(), 4000
    for _ in range(n_draws):
        kept = drop_words(text, random)
        position = 0
        for character in kept:  # in their order, and each at most once
            position = text.index(character, position) + 1
        counts.update(set(kept) & set("ofn十三四これはk"))
    spread = np.sqrt(0.3 * 0.7 / n_draws)
    for character in set("十三四これは") & set(text):
        assert counts[character] / n_draws == pytest.approx(0.7, abs=5 * spread)


def test_at_least_one_word_is_kept():
    random = np.random.default_rng(0)
    assert {drop_words("a b c", random, rate=1) for _ in range(50)} == {"a", "b", "c"}
    assert drop_words("word", random) == "word" and drop_words("a b", random, rate=0) == "a b"


@pytest.mark.parametrize(("text", "n"), [(TEXTS[0], 10), (TEXTS[1], 10), (TEXTS[2], 9)])
def test_crop_keeps_a_run_of_words(text, n):
    single = [drop_words(text, OnlyOne(number, n), rate=1) for number in range(n)]
    assert "".join(single) == "".join(text.split())
    random, seen = np.random.default_rng(0), set()
    for _ in range(2000):
        kept = crop_words(text, random, 0.6)
        bare = "".join(kept.split())
        runs = [
            (first, last) for last in range(1, n + 1) for first in range(last) if "".join(single[first:last]) == bare
        ]
        assert kept in text and runs
        seen.update(runs)
    # All runs of at least 0.6 of the words, and no others.
    least = round(0.6 * n)
    assert seen == {(first, last) for last in range(1, n + 1) for first in range(last) if last - first >= least}
    assert crop_words("word", random, 0.35) == "word"


class OnlyOne:
    """Draws by which only one of n words is kept."""

    def __init__(self, number, n):
        self.number, self.n = number, n

    def random(self, n_words):
        assert n_words == self.n
        return np.zeros(n_words)

    def integers(self, n_words):
        return self.number
