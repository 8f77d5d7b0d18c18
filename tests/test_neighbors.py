"""Nearest neighbours among features, and how many have the same class."""

import dataclasses

import numpy as np
import pytest
from made_features import make_features

from tlkit.summaries.cuts import find_neighbors, share_same_class


@pytest.fixture
def features():
    return make_features(n_pictures=24)


def test_features_that_are_none_are_refused(features):
    with pytest.raises(ValueError, match=r"maps of shape \(6, 4, 3, 3\).*pooled=True"):
        find_neighbors(make_features(n_pictures=6, map_size=3), 0)
    with pytest.raises(TypeError, match="a ndarray, expected Features"):
        share_same_class(features.values)


def test_neighbours_equal_those_of_a_slow_loop(features):
    grouped = dataclasses.replace(features, groups=np.array([str(number // 3) for number in range(24)]))
    for index in range(24):
        rows = []
        for other in range(24):
            a, b = (features.values[place].astype(float) for place in (index, other))
            if other // 3 != index // 3:
                rows.append((-a @ b / np.sqrt(a @ a * (b @ b)), other))
        rows.sort()
        found, similarities = find_neighbors(grouped, index, 4)
        assert found.tolist() == [other for _, other in rows[:4]]
        np.testing.assert_allclose(similarities, [-negative for negative, _ in rows[:4]], atol=1e-6)


def test_a_picture_is_not_its_own_neighbour_even_where_a_copy_is(features):
    doubled = dataclasses.replace(features, values=np.repeat(features.values[::2], 2, axis=0))
    found, similarities = find_neighbors(doubled, 4, 1)
    assert (found.tolist(), similarities.round(6).tolist()) == ([5], [1.0])
    assert len(find_neighbors(features, 0, 100)[0]) == 23


def test_a_picture_that_is_not_there_is_refused(features):
    with pytest.raises(ValueError, match="index: 24, expected a whole number from 0 to 23"):
        find_neighbors(features, 24)
    with pytest.raises(ValueError, match="index: True"):
        find_neighbors(features, True)


def test_the_share_leaves_groups_out_and_equals_a_loop(features):
    grouped = dataclasses.replace(features, groups=np.array([str(number // 2) for number in range(24)]))
    same = [features.labels[find_neighbors(grouped, index, 1)[0][0]] == features.labels[index] for index in range(24)]
    assert share_same_class(grouped) == pytest.approx(np.mean(same))
    assert 0 < np.mean(same) < 1
    assert np.isnan(share_same_class(dataclasses.replace(features, groups=np.repeat("one", 24))))
