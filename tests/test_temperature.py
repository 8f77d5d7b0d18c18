"""Temperature scaling: a planted temperature is found again, and the slope's zero is the loss's minimum."""

import numpy as np
import pytest
from test_calibration import make_predictions

from tlkit.evaluation import apply_temperature, fit_temperature, measure_calibration, measure_log_loss


@pytest.mark.parametrize("planted", [0.5, 1.0, 2.5])
def test_a_planted_temperature_is_found_again(planted):
    probabilities, labels = make_predictions(20000, sharpness=2.0, temperature=planted)
    assert fit_temperature(probabilities, labels) == pytest.approx(planted, rel=0.04)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_best_of_a_fine_grid(seed):
    probabilities, labels = make_predictions(60, seed=seed, temperature=2.0)
    found = fit_temperature(probabilities, labels)
    grid = np.exp(np.linspace(np.log(0.1), np.log(20), 2000))
    losses = [
        measure_log_loss(probabilities ** (1 / t) / (probabilities ** (1 / t)).sum(1, keepdims=True), labels)
        for t in grid
    ]
    assert found == pytest.approx(grid[np.argmin(losses)], rel=0.003)


def test_applied_it_takes_the_error_into_its_band_and_keeps_the_order():
    fitted_on, tested = (make_predictions(2000, seed=seed, temperature=3.0) for seed in (0, 2))
    assert measure_calibration(*tested).is_miscalibrated
    softened = apply_temperature(tested[0], fit_temperature(*fitted_on))
    assert not measure_calibration(softened, tested[1]).is_miscalibrated
    np.testing.assert_array_equal(softened.argsort(axis=1), tested[0].argsort(axis=1))
    np.testing.assert_allclose(softened.sum(axis=1), 1)


def test_a_temperature_of_1_changes_nothing_and_0_stays_0():
    probabilities = np.array([[0.7, 0.3, 0.0]])
    np.testing.assert_allclose(apply_temperature(probabilities, 1.0), probabilities)
    np.testing.assert_allclose(apply_temperature(probabilities, 0.5), [[0.49 / 0.58, 0.09 / 0.58, 0.0]])


def test_classes_that_were_ruled_out_and_are_not_true_do_no_harm():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    wider = np.concatenate([probabilities, np.zeros((3, 1))], axis=1)
    assert fit_temperature(wider, [0, 1, 1]) == pytest.approx(fit_temperature(probabilities, [0, 1, 1]))


def test_a_true_class_that_was_ruled_out_is_refused():
    with pytest.raises(ValueError, match="probabilities: 0 for the true class of 1 of 2 pictures"):
        fit_temperature([[1.0, 0.0], [0.5, 0.5]], [1, 0])


def test_where_no_temperature_is_best_the_end_is_taken_with_a_warning():
    with pytest.warns(UserWarning, match=r"labels: .*every picture is predicted correctly, .*set to its limit 0.01;"):
        assert fit_temperature([[0.9, 0.1], [0.2, 0.8]], [0, 1]) == 0.01
    with pytest.warns(UserWarning, match=r"labels: the predictions are no better than chance, .*set to its limit 100;"):
        assert fit_temperature([[0.9, 0.1], [0.2, 0.8]], [1, 0]) == 100


@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, "warm"])
def test_other_temperatures_are_refused(temperature):
    with pytest.raises(
        TypeError if temperature == "warm" else ValueError, match=r"temperature: .*, expected a number above 0"
    ):
        apply_temperature([[0.5, 0.5]], temperature)
