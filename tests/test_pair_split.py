"""Pairs of domains: no concept on two sides, and everything that can be is used."""

import itertools

import numpy as np
import pytest

import tlkit as tl
from tlkit.adaptation.domain_inputs import split_pair

DOMAINS = ["photo", "clipart", "emoji", "sketch"]


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles").select(role="core")


@pytest.mark.parametrize("pair", list(itertools.permutations(DOMAINS, 2)))
@pytest.mark.parametrize("seed", range(3))
def test_no_concept_is_on_two_sides(images, pair, seed):
    source, adapted, tested = split_pair(images, *pair, seed=seed)
    parts = [set(part.groups) for part in (source, adapted, tested)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert set(source.domains) == {pair[0]} and set(adapted.domains) == set(tested.domains) == {pair[1]}
    for label in np.unique(source.labels):
        halves = [np.sum(part.labels == label) for part in (adapted, tested)]
        assert min(halves) > 0.3 * sum(halves)


def test_what_is_not_shared_stays_whole(images):
    source, adapted, tested = split_pair(images, "photo", "clipart")
    assert len(source) == np.sum(images.domains == "photo")
    assert len(adapted) + len(tested) == np.sum(images.domains == "clipart")


def test_shared_concepts_are_dealt_and_the_others_kept(images):
    source, adapted, tested = split_pair(images, "emoji", "sketch")
    emoji, sketch = (images.select(domain=name) for name in ("emoji", "sketch"))
    only_sketch = set(sketch.groups) - set(emoji.groups)
    assert only_sketch and only_sketch <= {*adapted.groups, *tested.groups}
    shared = set(sketch.groups) & set(emoji.groups)
    dealt = {*source.groups, *adapted.groups, *tested.groups} & shared
    assert dealt == shared
    assert 0.4 < len(set(source.groups) & shared) / len(shared) < 0.6


def test_only_classes_that_both_have_are_taken(images):
    with_novel = tl.load_images("styles", domain=["photo", "clipart"])
    source, adapted, tested = split_pair(with_novel, "clipart", "photo")
    named = {with_novel.classes[label] for part in (source, adapted, tested) for label in part.labels}
    assert "building" not in named and "plant" in named  # there are no photographs of buildings
    assert source.classes == with_novel.classes


def test_the_seed_says_what_lies_where(images):
    first, again, other = (split_pair(images, "emoji", "sketch", seed=seed) for seed in (0, 0, 1))
    for part, same, different in zip(first, again, other, strict=True):
        assert (part.names == same.names).all()
        assert set(part.names) != set(different.names)


def test_what_can_not_be_split_is_refused(images):
    with pytest.raises(ValueError, match="source: 'foto' is unknown; nearest: 'photo'"):
        split_pair(images, "foto", "clipart")
    with pytest.raises(ValueError, match="target: 'photo' is the source too"):
        split_pair(images, "photo", "photo")
    birds = images.select(classes="bird")
    with pytest.raises(ValueError, match="target: 'clipart' has bird in common with 'photo', expected two"):
        split_pair(birds, "photo", "clipart")
    with pytest.raises(TypeError, match="images: a list, expected an ImageSet"):
        split_pair([], "photo", "clipart")
    one = images[np.unique(images.domains + images.labels.astype(str), return_index=True)[1]]
    with pytest.raises(ValueError, match="target: the pictures of clipart can't be halved: n_folds: 2"):
        split_pair(one, "photo", "clipart")
