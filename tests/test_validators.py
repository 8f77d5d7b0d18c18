"""Scores without target labels against slow versions and skada's, the regret, and the alarm of collapse."""

import math

import numpy as np
import pytest

from tlkit.adaptation import Align
from tlkit.adaptation.validators import (
    detect_collapse,
    regret,
    score_bnm,
    score_circular,
    score_deep_embedded,
    score_entropy,
    score_importance_weighted,
    score_information_maximisation,
    score_mixed,
    score_neighbourhood_density,
    score_norm,
    score_source_accuracy,
)

FROM_TARGET = [score_entropy, score_information_maximisation, score_bnm, score_neighbourhood_density, score_norm]


def make_probabilities(n=40, n_classes=4, seed=0, sharpness=1.0):
    random = np.random.default_rng(seed)
    scores = np.exp(sharpness * random.normal(size=(n, n_classes)))
    return scores / scores.sum(axis=1, keepdims=True)


class Said:
    """What skada's scorers take for an estimator: pictures are what it says of them."""

    def fit(self):
        return self

    def predict_proba(self, values, **ignored):
        return values

    def score(self, values, labels, sample_domain=None, sample_weight=None, allow_source=True):
        return np.average(values.argmax(axis=1) == labels, weights=sample_weight)


def score_with_skada(scorer, probabilities, labels=None, domain=-2):
    labels = np.zeros(len(probabilities), int) if labels is None else labels
    # One picture of the source, which skada wants, and these scores leave alone.
    values = np.concatenate([probabilities, probabilities[:1]])
    return scorer._score(None, Said(), values, np.append(labels, 0), sample_domain=np.repeat([domain, 1], [40, 1]))


@pytest.mark.usefixtures("scikit_routing")
def test_entropy_equals_a_loop_and_skada():
    from skada.metrics import PredictionEntropyScorer

    probabilities = make_probabilities()
    expected = sum(p * math.log(p) for row in probabilities for p in row) / 40
    assert score_entropy(probabilities) == pytest.approx(expected)
    # skada's mean is over classes too.
    assert score_entropy(probabilities) == pytest.approx(
        4 * score_with_skada(PredictionEntropyScorer(), probabilities), abs=1e-5
    )


@pytest.mark.usefixtures("scikit_routing")
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_neighbourhood_density_equals_a_loop_and_skada(temperature):
    from skada.metrics import SoftNeighborhoodDensity

    probabilities = make_probabilities()
    entropies = []
    for i, row in enumerate(probabilities):
        cosines = [row @ other / math.sqrt(row @ row) / math.sqrt(other @ other) for other in probabilities]
        shares = [math.exp((-1 if i == j else 1) * cosine / temperature) for j, cosine in enumerate(cosines)]
        entropies.append(-sum(share / sum(shares) * math.log(share / sum(shares)) for share in shares))
    score = score_neighbourhood_density(probabilities, temperature)
    assert score == pytest.approx(np.mean(entropies), abs=1e-6)
    assert score == pytest.approx(score_with_skada(SoftNeighborhoodDensity(T=temperature), probabilities), abs=1e-6)


@pytest.mark.usefixtures("scikit_routing")
def test_the_norm_equals_a_loop_and_skadas():
    from skada.metrics import MaNoScorer
    from sklearn.pipeline import Pipeline

    probabilities = make_probabilities()
    mean = sum(p**4 for row in probabilities for p in row) / 160
    assert score_norm(probabilities) == pytest.approx(mean**0.25)

    class SaidInPipeline(Pipeline):  # others are asked for the layers of a deep network
        predict_proba = Said.predict_proba

    values = np.concatenate([probabilities, probabilities[:1]])
    labels, domains = np.zeros(41, int), np.repeat([-2, 1], [40, 1])
    scored = MaNoScorer()._score(None, SaidInPipeline([("said", Said())]), values, labels, sample_domain=domains)
    assert score_norm(probabilities) == pytest.approx(scored)
    with pytest.raises(ValueError, match="power: -1"):
        score_norm(probabilities, -1)


@pytest.fixture(scope="module")
def shifted():
    """Return (values, labels, target values) of four clouds, which the target has shifted and somewhat turned."""
    random = np.random.default_rng(0)
    labels = np.arange(80) % 4
    values = random.normal(size=(80, 5)) + 2.5 * np.eye(5)[labels]
    turn = np.linalg.qr(np.eye(5) + 0.3 * random.normal(size=(5, 5)))[0]
    return values, labels, (random.normal(size=(60, 5)) + 2.5 * np.eye(5)[np.arange(60) % 4]) @ turn + 1


class Adapted:
    """What skada's scorers take for an estimator: one of our objectives."""

    def __init__(self, method):
        self.method = method

    def fit(self, values, labels, sample_domain):
        source = np.asarray(sample_domain) > 0
        self.solved = self.method.fit(values[source], labels[source], values[~source], labels.max() + 1, 0)
        return self

    def predict(self, values, sample_domain=None):
        return self.solved.predict(values).argmax(axis=1)

    def score(self, values, labels, sample_domain=None):
        return np.mean(self.predict(values) == labels)


@pytest.mark.usefixtures("scikit_routing")
@pytest.mark.parametrize("method", [Align("mean"), Align("coral", alignment_parameter=0.3)])
def test_what_asks_again_equals_skada(method, shifted):
    from skada.metrics import CircularValidation, MixValScorer

    values, labels, target_values = shifted
    both, masked = np.concatenate([values, target_values]), np.concatenate([labels, np.full(60, -1)])
    domains = np.repeat([1, -2], [80, 60])
    estimator = Adapted(method).fit(both, masked, domains)
    predicted = estimator.predict(target_values)
    expected = CircularValidation()._score(None, estimator, both, masked, sample_domain=domains)
    assert 0.25 < expected < 1
    assert score_circular(method, values, labels, target_values, predicted, 4) == pytest.approx(expected)
    mixed = MixValScorer(random_state=3)._score(None, estimator, both, masked, sample_domain=domains)
    assert 0.25 < mixed < 1
    assert score_mixed(estimator.solved.predict, target_values, seed=3) == pytest.approx(mixed)


def test_what_cannot_be_asked_again_is_refused(shifted):
    values, labels, target_values = shifted
    with pytest.raises(TypeError, match="method: 'coral', expected an objective"):
        score_circular("coral", values, labels, target_values, np.zeros(60, int), 4)
    with pytest.raises(TypeError, match=r"predicted: shape \(59,\) of type int64, expected \(60,\)"):
        score_circular(Align("mean"), values, labels, target_values, np.zeros(59, int), 4)
    with pytest.raises(TypeError, match="predict: a ndarray, expected a function"):
        score_mixed(target_values, target_values)
    with pytest.raises(TypeError, match=r"target_values: shape \(60,\)"):
        score_mixed(np.tanh, target_values[:, 0])


def test_a_collapsed_method_finds_back_one_class_only(shifted):
    values, labels, target_values = shifted
    one = np.full(60, 2)
    assert score_circular(Align("mean"), values, labels, target_values, one, 4) == 0.25
    two = np.arange(60) % 2
    assert score_circular(Align("mean"), values, labels, target_values, two, 4) <= 0.5


def test_between_two_pictures_each_kind_of_pair_counts_half():
    values = np.array([[-3.0], [-2.0], [-1.0], [0.5]])
    order = np.random.RandomState(0).permutation(4)
    first, mixed = values[:, 0] < 0, (0.55 * values + 0.45 * values[order])[:, 0] < 0
    same = first == first[order]
    assert same.any() and not same.all() and not (mixed == first).all()
    expected = ((mixed == first)[same].mean() + (mixed == first)[~same].mean()) / 2

    def predict(values):
        return np.hstack([values >= 0, values < 0]).astype(float)

    assert score_mixed(predict, values) == expected
    with pytest.raises(ValueError, match=r"mixing_ratio: 0.5, expected a number above 0.5 and below 1"):
        score_mixed(predict, values, mixing_ratio=0.5)


def test_information_is_that_of_pictures_and_classes():
    probabilities = make_probabilities()
    joint = probabilities / 40
    expected = sum(
        joint[i, k] * math.log(joint[i, k] / (1 / 40 * joint[:, k].sum())) for i in range(40) for k in range(4)
    )
    assert score_information_maximisation(probabilities) == pytest.approx(expected)


def test_bnm_is_the_trace_of_the_root():
    probabilities = make_probabilities()
    values = np.linalg.eigvalsh(probabilities.T @ probabilities)
    assert score_bnm(probabilities) == pytest.approx(np.sqrt(values).sum() / math.sqrt(40 * 4))


def test_source_accuracy_counts_each_class_the_same():
    probabilities = np.eye(3)[[0, 0, 0, 1, 2, 2]]
    assert score_source_accuracy(probabilities, np.array([0, 0, 0, 0, 1, 2])) == pytest.approx((3 / 4 + 0 + 1) / 3)


@pytest.mark.usefixtures("scikit_routing")
def test_importance_weighted_equals_skada_with_its_weights():
    from skada.metrics import ImportanceWeightedScorer
    from sklearn.neighbors import KernelDensity

    source, target = make_probabilities(seed=1), make_probabilities(30, seed=2, sharpness=2)
    labels = np.random.default_rng(0).integers(0, 4, 40)
    weights = np.exp(
        KernelDensity().fit(target).score_samples(source) - KernelDensity().fit(source).score_samples(source)
    )
    right = [row.argmax() == label for row, label in zip(source, labels, strict=True)]
    expected = sum(w * r for w, r in zip(weights, right, strict=True)) / weights.sum()
    assert score_importance_weighted(source, labels, weights) == pytest.approx(expected, abs=1e-9)

    class Weighed(Said):
        def get_metadata_routing(self):
            from sklearn.utils.metadata_routing import MetadataRequest

            request = MetadataRequest(owner=self)
            for name in ("sample_weight", "sample_domain", "allow_source"):
                request.score.add_request(param=name, alias=True)
            return request

    scored = ImportanceWeightedScorer()._score(
        None,
        Weighed(),
        np.concatenate([source, target]),
        np.concatenate([labels, np.full(30, -1)]),
        sample_domain=np.repeat([1, -2], [40, 30]),
    )
    assert score_importance_weighted(source, labels, weights) == pytest.approx(scored, abs=1e-9)


@pytest.mark.usefixtures("scikit_routing")
def test_deep_embedded_equals_skadas_formula():
    from skada.metrics import DeepEmbeddedValidation

    probabilities, random = make_probabilities(), np.random.default_rng(0)
    labels, weights = random.integers(0, 4, 40), random.exponential(size=40)
    losses = DeepEmbeddedValidation()._no_reduc_log_loss(labels, probabilities)
    mean = sum(w * loss for w, loss in zip(weights, losses, strict=True)) / 40
    weighted = weights * losses
    covariance = sum((a - weighted.mean()) * (w - weights.mean()) for a, w in zip(weighted, weights, strict=True)) / 39
    eta = -covariance / (sum((w - weights.mean()) ** 2 for w in weights) / 39)
    assert score_deep_embedded(probabilities, labels, weights) == pytest.approx(-(mean + eta * weights.mean() - eta))
    assert score_deep_embedded(probabilities, labels, np.ones(40)) == pytest.approx(-losses.mean())


@pytest.mark.parametrize("score", [score_information_maximisation, score_bnm])
def test_one_class_for_all_pictures_scores_worst(score):
    one, spread = np.eye(4)[np.zeros(40, int)], np.eye(4)[np.arange(40) % 4]
    assert score(one) < score(make_probabilities(sharpness=2)) < score(spread)


def test_the_entropy_alone_prefers_one_class():
    assert score_entropy(np.eye(4)[np.zeros(40, int)]) >= score_entropy(make_probabilities(sharpness=3))


@pytest.mark.parametrize("score", FROM_TARGET)
def test_scores_depend_on_the_order_of_neither_pictures_nor_classes(score):
    probabilities = make_probabilities()
    assert score(probabilities[::-1, [2, 0, 3, 1]]) == pytest.approx(score(probabilities), abs=1e-12)


def test_the_regret_of_a_choice():
    assert regret([3, 2, 1], [0.4, 0.5, 0.6]) == pytest.approx(0.2)
    assert regret([1, 2, 3], [0.4, 0.5, 0.6]) == 0
    assert regret([3, 3, 1], [0.4, 0.5, 0.6]) == pytest.approx(0.15)
    with pytest.raises(ValueError, match="scores: some are NaN"):
        regret([1, np.nan], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"accuracies: shape \(3,\), expected \(2,\), one number per method"):
        regret([1, 2], [0.1, 0.2, 0.3])


def test_the_alarm_of_collapse():
    priors = np.full(4, 0.25)
    even = np.eye(4)[np.arange(40) % 4]
    assert detect_collapse(even, priors) is None
    assert detect_collapse(np.eye(4)[np.repeat([0, 1], [37, 3])], priors) == (
        "collapse: class 0 is predicted for 92 % of the pictures, and has 25 % of the source"
    )
    assert "differ from the source's by 0.55" in detect_collapse(np.eye(4)[np.repeat([0, 1], [32, 8])], priors)
    assert detect_collapse(np.eye(4)[np.repeat([0, 1], [20, 20])], priors) is None
    assert detect_collapse(np.eye(4)[np.zeros(40, int)], [0.97, 0.01, 0.01, 0.01]) is None
    with pytest.raises(ValueError, match=r"source_priors: shape \(2,\), expected \(4,\)"):
        detect_collapse(even, [0.5, 0.5])


@pytest.mark.parametrize("score", FROM_TARGET)
def test_what_are_no_probabilities_is_refused(score):
    with pytest.raises(ValueError, match="some rows are no probabilities"):
        score(make_probabilities() * 2)


@pytest.mark.parametrize("temperature", [0, -1, np.nan])
def test_a_temperature_of_neighbourhoods_is_above_0(temperature):
    with pytest.raises(ValueError, match=r"temperature: .*, expected a number above 0"):
        score_neighbourhood_density(make_probabilities(), temperature)


def test_labels_and_weights_that_are_none_are_refused():
    probabilities = make_probabilities()
    labels = np.zeros(40, int)
    with pytest.raises(TypeError, match=r"labels: shape \(39,\) .* expected \(40,\)"):
        score_source_accuracy(probabilities, labels[1:])
    with pytest.raises(ValueError, match="labels: 4, expected class indices from 0 to 3"):
        score_source_accuracy(probabilities, labels + 4)
    with pytest.raises(ValueError, match=r"weights: expected \(40,\) numbers of at least 0"):
        score_importance_weighted(probabilities, labels, -np.ones(40))
    with pytest.raises(ValueError, match=r"weights: shape \(.*\), expected \(40,\)"):
        score_deep_embedded(probabilities, labels, np.ones(3))
