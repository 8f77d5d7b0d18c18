"""Near duplicates among texts are those of nearly the same words, found by a slow count too; leaks say texts."""

import collections
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import tlkit as tl
from tlkit.inspection import near_duplicates
from tlkit.plots.cuts import make_cut_page
from tlkit.plots.style import draw_thumbnail
from tlkit.summaries.cuts import CutChoice, CutComparison, summarise_cut
from tlkit.widgets.thumbnails import make_thumbnails

BOOKS = (
    "The grey cat slept on the warm red sofa all day.",
    "the grey CAT slept on the warm red sofa all night",
    "A dog ran through the wet grass.",
    "Through the wet grass a dog ran!",
    "Seven ships sailed to the north.",
    "!!!",
    "???",
    "一只灰猫在睡觉",
    "一只灰猫在睡觉。",
)


def make_texts(texts=BOOKS):
    return tl.load_texts([(text, "odd" if index % 2 else "even") for index, text in enumerate(texts)])


def list_words(text):
    """The words of a text; Chinese characters and pairs of them; the text itself if it has none."""
    if "猫" in text:
        characters = text.rstrip("。")
        return [*characters, *(one + other for one, other in itertools.pairwise(characters))]
    kept = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return kept.split() or [text]


def measure_slowly(texts):
    """Cosine similarities (n, n) of TF-IDF with logarithmic counts, text by text."""
    counts = [collections.Counter(list_words(text)) for text in texts]
    n_with = collections.Counter(word for count in counts for word in count)
    rarity = {word: math.log((1 + len(texts)) / (1 + n)) + 1 for word, n in n_with.items()}
    vectors = [{word: (1 + math.log(n)) * rarity[word] for word, n in count.items()} for count in counts]
    lengths = [math.sqrt(sum(value**2 for value in vector.values())) for vector in vectors]
    return np.array(
        [
            [
                sum(value * other.get(word, 0) for word, value in one.items()) / size / length
                for other, length in zip(vectors, lengths, strict=True)
            ]
            for one, size in zip(vectors, lengths, strict=True)
        ]
    )


@pytest.mark.parametrize("min_similarity", [0.3, 0.87])
@pytest.mark.parametrize("n_at_once", [2, 1024])
def test_pairs_are_those_of_a_slow_count(min_similarity, n_at_once, monkeypatch):
    monkeypatch.setattr(near_duplicates, "_N_TEXTS_AT_ONCE", n_at_once)
    texts = make_texts()
    read = [texts.read(index) for index in range(len(texts))]
    expected = measure_slowly(read)
    found = tl.inspection.find_near_duplicates(texts, min_similarity=min_similarity)
    pairs = {(one, other) for one, other in itertools.combinations(range(len(read)), 2)}
    assert {*zip(found["first"], found["second"], strict=True)} == {
        pair for pair in pairs if expected[pair] >= min_similarity
    }
    assert np.allclose(
        found["similarity"], [expected[pair] for pair in zip(found["first"], found["second"], strict=True)]
    )
    assert set(found["kind"]) == {"near"} and not found["mirrored"].any()
    near = {frozenset((read[row.first], read[row.second])) for row in found.itertuples()}
    assert frozenset(BOOKS[2:4]) in near and frozenset(BOOKS[7:]) in near and frozenset(BOOKS[5:7]) not in near


def test_pairs_across_two_sets_and_their_leaks():
    train, test = make_texts(BOOKS[:5]), make_texts((*BOOKS[3:5], "Nothing of the kind"))
    found = tl.inspection.find_near_duplicates(train, test)
    names = {(train.read(row.first), test.read(row.second), row.kind) for row in found.itertuples()}
    assert names == {
        (BOOKS[3], BOOKS[3], "same text"),
        (BOOKS[4], BOOKS[4], "same text"),
        (BOOKS[2], BOOKS[3], "near"),
    }
    leaks = tl.inspection.find_leaks(train, test)
    assert repr(leaks).startswith("3 of 5 training texts leak into 2 of 3 test texts")
    assert "2 pairs of the same text" in repr(leaks)


def test_sets_of_two_kinds_are_refused():
    pictures = tl.load_images("styles", domain="photo")[:2]
    with pytest.raises(TypeError, match="second: pictures, expected texts"):
        tl.inspection.find_near_duplicates(make_texts(), pictures)
    with pytest.raises(TypeError, match="second: texts, expected pictures"):
        tl.inspection.find_near_duplicates(pictures, make_texts())


def test_explorers_show_the_texts():
    texts = make_texts(BOOKS[:7])  # not every machine has a font for Chinese
    values = np.random.default_rng(0).normal(size=(len(texts), 3)).astype(np.float32)
    features = {"layers1": tl.Features(values, texts.labels, texts.classes, texts.names, texts.groups, {})}
    row = {"cut": "layers1", "head": "ridge", "accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}
    table = pd.DataFrame([row])
    assert repr(tl.widgets.CutExplorer(features, table, texts)).endswith("7 texts)")
    cuts = CutComparison(features, table)
    page = make_cut_page(cuts, make_thumbnails(texts))
    for index, lines in ((0, ["The grey cat", "slept on the", "warm red sofa"]), (4, ["Seven ships"])):
        drawn = page.render(summarise_cut(cuts, CutChoice("layers1", "ridge", index)))
        assert all(line in drawn for line in lines)
        assert f'id="picture:{index}|' in drawn  # can be pointed at, and clicked


def test_a_long_text_is_cut_in_the_place_of_a_picture():
    ax = Figure().subplots()
    drawn = draw_thumbnail("word " * 100, "caption", 0, 0, 160, ax)
    lines = drawn.get_text().splitlines()
    assert len(lines) == 6 and lines[-1].endswith("…") and max(map(len, lines)) <= 16
    wide = draw_thumbnail("猫" * 100, "caption", 0, 0, 160, ax)
    assert max(map(len, wide.get_text().splitlines())) == 8
