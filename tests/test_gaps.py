"""The matrix of gaps and what a gap is made of, on domains whose gap was planted."""

import numpy as np
import pytest
from made_studies import make_study

from tlkit.adaptation.distances import distance_coral, distance_mmd, distance_proxy_a
from tlkit.adaptation.domain_inputs import split_pair
from tlkit.adaptation.gaps import _weigh_mmd, explain_gap, measure_gaps


def test_the_matrix_holds_the_distances_of_disjoint_parts():
    images, features = make_study(("here", "there", "yonder"), shared=("there", "yonder"))
    gaps = measure_gaps(features, images, seed=1, progress=False)
    assert len(gaps) == 6 * 4 and gaps["p_value"].isna().all()
    place = {name: row for row, name in enumerate(images.names)}
    for source, target in (("here", "there"), ("there", "yonder")):
        parts = split_pair(images, source, target, seed=1)
        ours, first, second = (features[[place[name] for name in part.names]] for part in parts)
        theirs = features[sorted(place[name] for part in parts[1:] for name in part.names)]
        assert len(first) + len(second) == len(theirs)
        rows = gaps.query("source == @source and target == @target").set_index("distance")
        assert rows.loc["mmd", "value"] == pytest.approx(distance_mmd(ours.values, theirs.values))
        assert rows.loc["coral", "value"] == pytest.approx(distance_coral(ours.values, theirs.values))
        a_distance = distance_proxy_a(ours.values, theirs.values, ours.groups, theirs.groups, seed=1)
        assert rows.loc["proxy_a", "value"] == a_distance
        assert rows.loc["mmd", ["n_source", "n_target"]].tolist() == [len(ours), len(theirs)]


def test_p_values_tell_moved_domains_from_others():
    moved, still = (
        measure_gaps(features, images, n_permutations=39, progress=False).set_index(["source", "distance"])["p_value"]
        for images, features in (make_study(), make_study(moved=0.0, seed=4))
    )
    assert moved["here", "mmd"] == moved["here", "proxy_a"] == 1 / 40
    assert still["here", "mmd"] > 0.05
    assert np.isnan(moved["here", "priors"])


def test_a_planted_shift_of_the_pictures_alone():
    images, features = make_study(n=120)
    parts = explain_gap(features, images, "here", "there", seeds=2, progress=False).set_index("measure")
    assert parts.loc["accuracy", "pictures"] > 0.3
    assert abs(parts.loc["accuracy", "priors"]) < 0.05
    assert parts["shared_concepts"].isna().all()
    assert parts["whole"].to_numpy() == pytest.approx((parts["pictures"] + parts["priors"]).to_numpy())


def test_a_planted_shift_of_the_shares_alone():
    images, features = make_study(n=240, moved=0.0)
    rare = (images.domains == "there") & (images.labels > 0) & (np.arange(len(images)) % 10 > 1)
    images, features = images[~rare], features[~rare]
    parts = explain_gap(features, images, "here", "there", seeds=2, progress=False).set_index("measure")
    assert parts.loc["mmd", "whole"] > 0.02
    assert abs(parts.loc["mmd", "pictures"]) < 0.2 * parts.loc["mmd", "whole"]


def test_known_concepts_are_easier_where_concepts_are_what_is_learned():
    # No class has a place of its own, only concepts do.
    images, features = make_study(n=120, d=60, moved=0.0, shared=("here", "there"))
    random = np.random.default_rng(0)
    concepts = np.unique(images.groups, return_inverse=True)[1]
    values = 3 * random.normal(size=(concepts.max() + 1, 60))[concepts] + 0.3 * random.normal(
        size=features.values.shape
    )
    features = type(features)(
        values.astype(np.float32), images.labels, images.classes, images.names, images.groups, {"backbone": "made"}
    )
    parts = explain_gap(features, images, "here", "there", seeds=2, progress=False).set_index("measure")
    assert parts.loc["accuracy", "shared_concepts"] > 0.4
    assert parts.loc["mmd", "shared_concepts"] > 0


def test_the_weighted_distance_of_even_weights_and_of_copies():
    random = np.random.default_rng(0)
    source, target = random.normal(size=(12, 3)), random.normal(size=(9, 3)) + 1
    assert _weigh_mmd(source, target, np.ones(9)) == pytest.approx(distance_mmd(source, target))
    weights = np.array([0.0] * 4 + [2.0] * 5)
    # Pictures that don't count may lie anywhere, but for the bandwidth: here as far as one of those that do.
    moved = target.copy()
    moved[:4] = target[4]
    alike = [_weigh_mmd(source, values, weights) for values in (target, moved)]
    assert alike[0] == pytest.approx(alike[1], abs=0.1)
    slow = 0.0
    shares = weights / weights.sum()
    everything = np.concatenate([source, target])
    bandwidth = np.median([np.linalg.norm(a - b) for i, a in enumerate(everything) for b in everything[:i]])
    kernel = lambda a, b: np.exp(-np.sum((a - b) ** 2) / 2 / bandwidth**2)  # noqa: E731
    slow += np.mean([kernel(a, b) for i, a in enumerate(source) for j, b in enumerate(source) if i != j])
    pairs = [(i, j) for i in range(9) for j in range(9) if i != j]
    slow += sum(shares[i] * shares[j] * kernel(target[i], target[j]) for i, j in pairs) / sum(
        shares[i] * shares[j] for i, j in pairs
    )
    slow -= 2 * sum(share * kernel(a, b) / 12 for a in source for share, b in zip(shares, target, strict=True))
    assert alike[0] == pytest.approx(slow)


@pytest.mark.parametrize(("n_folds", "error"), [(1, ValueError), (2.5, TypeError)])
def test_folds_that_are_none_are_named(n_folds, error):
    images, features = make_study()
    with pytest.raises(error, match=f"n_folds: {n_folds}.*, expected a whole number of at least 2"):
        explain_gap(features, images, "here", "there", seeds=1, n_folds=n_folds, progress=False)
