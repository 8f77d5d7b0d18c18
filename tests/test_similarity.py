"""Centred kernel alignment: slow versions by the papers' formulas, what it doesn't mind, noise."""

import numpy as np
import pytest

from tlkit.inspection.similarity import center_unbiased, cka, cka_band


def make_noise(n, d, seed):
    return np.random.default_rng(seed).normal(size=(n, d))


def make_alike(n=40, d=7, e=11, seed=0):
    """Return two sets of features that share a part."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=(n, 3))
    a, b = (shared @ random.normal(size=(3, width)) + random.normal(size=(n, width)) + 5 for width in (d, e))
    return a, b


def measure_biased_slowly(a, b):
    """Kornblith et al. 2019, equation 5 with a centred kernel, element by element."""

    def criterion(x, y):
        n = len(x)
        center = np.eye(n) - 1 / n
        return np.trace(x @ x.T @ center @ y @ y.T @ center) / (n - 1) ** 2

    return criterion(a, b) / np.sqrt(criterion(a, a) * criterion(b, b))


def measure_debiased_slowly(a, b):
    """Song et al. 2012, equation 5, summed in loops."""

    def criterion(x, y):
        n = len(x)
        k = [[0 if i == j else float(x[i] @ x[j]) for j in range(n)] for i in range(n)]
        m = [[0 if i == j else float(y[i] @ y[j]) for j in range(n)] for i in range(n)]
        trace = sum(k[i][j] * m[j][i] for i in range(n) for j in range(n))
        sums = sum(map(sum, k)) * sum(map(sum, m)) / ((n - 1) * (n - 2))
        both = sum(sum(k[i][j] for i in range(n)) * sum(m[j]) for j in range(n))
        return (trace + sums - 2 / (n - 2) * both) / (n * (n - 3))

    return criterion(a, b) / np.sqrt(criterion(a, a) * criterion(b, b))


@pytest.mark.parametrize("seed", range(3))
def test_it_is_that_of_the_papers_formulas(seed):
    a, b = make_alike(seed=seed)
    assert cka(a, b) == pytest.approx(measure_debiased_slowly(a, b), abs=1e-10)
    assert cka(a, b, debiased=False) == pytest.approx(measure_biased_slowly(a, b), abs=1e-10)
    assert cka(a, b) != pytest.approx(cka(a, b, debiased=False), abs=0.01)


@pytest.mark.parametrize("debiased", [True, False])
def test_it_minds_neither_rotation_nor_scale_nor_shift_nor_order_of_the_two(debiased):
    a, b = make_alike()
    rotation = np.linalg.qr(make_noise(7, 7, 3))[0]
    value = cka(a, b, debiased=debiased)
    assert cka(3.5 * a @ rotation - 2, b, debiased=debiased) == pytest.approx(value)
    assert cka(b, a, debiased=debiased) == pytest.approx(value)
    assert cka(a, -2 * a @ rotation, debiased=debiased) == pytest.approx(1)
    order = np.random.default_rng(0).permutation(len(a))
    assert cka(a[order], b[order], debiased=debiased) == pytest.approx(value)
    assert cka(a[order], b, debiased=debiased) < value - 0.1


def test_an_arbitrary_linear_map_changes_it():
    a, _ = make_alike()
    assert cka(a, a * np.array([30, 1, 1, 1, 1, 1, 1])) < 0.9


def test_noise_looks_alike_only_where_it_is_biased():
    pairs = [(make_noise(128, 1280, seed), make_noise(128, 1280, 100 + seed)) for seed in range(12)]
    biased = [cka(*pair, debiased=False) for pair in pairs]
    debiased = [cka(*pair) for pair in pairs]
    assert np.mean(biased) == pytest.approx(1280 / (1280 + 128), abs=0.01)  # 0.91
    assert abs(np.mean(debiased)) < 0.005
    assert min(debiased) < 0 < max(debiased)


def test_the_band_covers_noise_in_19_of_20_cases():
    inside = 0
    for seed in range(100):
        a, b = make_noise(20, 30, seed), make_noise(20, 30, 1000 + seed)
        low, high = cka_band(a, b, n_permutations=99, seed=seed)
        inside += low <= cka(a, b) <= high
    assert 88 <= inside <= 100


@pytest.mark.parametrize("debiased", [True, False])
def test_the_band_is_that_of_shuffled_pictures_and_what_is_alike_lies_above(debiased):
    a, b = make_alike()
    low, high = cka_band(a, b, debiased=debiased, n_permutations=50, seed=4)
    random = np.random.default_rng(4)
    orders = [random.permutation(len(a)) for _ in range(50)]
    values = [cka(a, b[order], debiased=debiased) for order in orders]
    assert (low, high) == pytest.approx(np.quantile(values, [0.025, 0.975]))
    assert cka(a, b, debiased=debiased) > high
    assert cka_band(a, b, debiased=debiased, n_permutations=50, seed=4) == (low, high)


def test_rows_of_a_centred_kernel_sum_to_zero_beside_an_empty_diagonal():
    a, _ = make_alike()
    kernel = center_unbiased(a @ a.T)
    assert np.diag(kernel) == pytest.approx(0)
    assert kernel.sum(axis=0) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (np.ones((8, 3)), make_noise(8, 3, 0), "a: the same features for every picture"),
        (make_noise(8, 3, 0), np.ones((8, 3)), "b: the same features for every picture"),
        (make_noise(8, 3, 0), make_noise(7, 3, 0), "b: 7 pictures, but a has 8"),
        (
            make_noise(3, 3, 0),
            make_noise(3, 3, 0),
            "a: 3 pictures, expected at least four",
        ),
        (make_noise(8, 3, 0), np.zeros(8), "b: shape \\(8,\\)"),
        (make_noise(8, 3, 0), np.full((8, 3), np.nan), "b: some values are NaN"),
        (np.eye(8) * 1j, make_noise(8, 3, 0), r"a: shape \(8, 8\) of type complex128, expected \(n, d\) numbers"),
        (np.eye(8).astype(str), make_noise(8, 3, 0), r"a: shape \(8, 8\) of type <U32, expected \(n, d\) numbers"),
    ],
)
@pytest.mark.parametrize("debiased", [True, False])
def test_what_cannot_be_compared_is_said(a, b, said, debiased):
    for function in (cka, cka_band):
        with pytest.raises(TypeError if "shape" in said else ValueError, match=said):
            function(a, b, debiased=debiased)
