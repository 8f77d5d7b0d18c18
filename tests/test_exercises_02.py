"""Exercises of lesson 02: the right answer passes, each usual slip gets its own hint."""

import pandas as pd
import pytest

from tlkit.lessons import check


@pytest.fixture
def networks():
    return pd.DataFrame(
        {
            "name": ["small", "middle", "good", "large", "unmeasured"],
            "n_flops": pd.array([0.1e9, 0.5e9, 0.8e9, 1.6e9, 0.2e9], "Float64"),
            "image_size_px": pd.array([128, 224, 224, 260, 224], "Int64"),
            "accuracy": pd.array([0.67, 0.75, 0.78, 0.80, None], "Float64"),
        }
    )


def check_operations(answer, networks):
    return check("02_operations", answer, networks=networks, network="good", image_size_px=160)


RATIO = 160 / 224


@pytest.mark.parametrize("answer", [0.8 * RATIO**2, 0.41, "0.408"])
def test_operations_scaled_by_the_area_pass(networks, answer):
    result = check_operations(answer, networks)
    assert result.passed
    assert result.sentence == "0.80 GFLOP × 0.71² = 0.41 GFLOP per picture."


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0.8, "the operations at its own 224 px"),
        (0.8 * RATIO, "both height and width change"),
        (0.57, "both height and width change"),
        (0.8 / RATIO**2, "the ratio is upside down"),
        (0.4 * RATIO**2, "a multiplication and its addition count as 2"),
        (RATIO, "the ratio of the sizes"),
        (RATIO**2, "the ratio of the areas"),
        (0.8e9 * RATIO**2, "divide by a billion"),
        (0.4, "give two digits"),
        ("good", "this should be a number, and is a str"),
        (0.1, "operations grow with the number of pixels"),
        (..., "replace the three dots with a number of GFLOP"),
    ],
)
def test_wrong_operations_get_a_hint(networks, answer, hint):
    result = check_operations(answer, networks)
    assert not result.passed
    assert hint in result.sentence


def test_operations_scale_as_the_networks_own():
    import tlkit as tl

    table = tl.backbones.table()
    measured = tl.load_backbone("efficientnet_lite0", None, 192).cost().n_flops / 1e9
    assert check("02_operations", measured, networks=table, network="efficientnet_lite0", image_size_px=192).passed


def test_the_best_network_within_the_budget_passes(networks):
    result = check("02_best", "good", networks=networks, most_flops=1e9)
    assert result.passed
    assert result.sentence == "0.780, the highest of 3 networks within the budget."


def test_of_two_equally_good_networks_either_passes(networks):
    networks.loc[1, "accuracy"] = 0.78
    assert all(check("02_best", name, networks=networks, most_flops=1e9).passed for name in ("middle", "good"))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ("large", "large needs 1.60 GFLOP per picture, too many; a multiplication and its addition count as 2"),
        ("small", "small fits, and 2 that fit as well have a higher accuracy"),
        ("god", "the table has no 'god'; nearest: 'good'"),
        ("unmeasured", "the table has no 'unmeasured'"),
        (0.78, "a network is named by a str, and this is a float"),
        (2, "a network is named by a str, and this is a int"),
        (["good"], "a network is named by a str, and this is a list"),
        ("Good", "the table has no 'Good'; nearest: 'good'"),
        ("middle", "middle fits, and 1 that fit as well have a higher accuracy"),
        (..., "replace the three dots with the name of a network"),
    ],
)
def test_a_wrong_network_gets_a_hint(networks, answer, hint):
    result = check("02_best", answer, networks=networks, most_flops=1e9)
    assert not result.passed
    assert hint in result.sentence


def test_a_network_far_over_the_budget_is_not_a_matter_of_counting(networks):
    assert "count as 2" not in check("02_best", "large", networks=networks, most_flops=0.5e9).sentence
