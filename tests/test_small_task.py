"""The small task of the benchmarks: digits as pictures, and a small network with random weights."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from made_networks import make_batch, same_bits


@pytest.fixture
def task(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("small_task")


@pytest.mark.parametrize("side", [16, 32, 40])
def test_it_gives_the_means_of_the_four_quarters(task, side):
    backbone = task.make_small_backbone(side)
    batch = make_batch(3, side)
    with torch.no_grad():
        features, maps = backbone(batch), backbone.until("stage3")(batch)
    assert features.shape == (3, backbone.n_features) == (3, 256)
    half = maps.shape[-1] // 2
    first = maps[:, :, : half + maps.shape[-1] % 2, : half + maps.shape[-1] % 2].mean(dim=(2, 3))
    assert torch.allclose(features.reshape(3, 64, 4)[:, :, 0], first, atol=1e-6)
    assert list(backbone.stages) == ["stage1", "stage2", "stage3"]


def test_weights_are_those_of_the_seed_and_torchs_random_state_stays(task):
    state = torch.random.get_rng_state()
    first, again, other = (
        task.make_small_backbone(seed=1),
        task.make_small_backbone(seed=1),
        task.make_small_backbone(seed=2),
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert same_bits(first.state_dict(), again.state_dict())
    assert not same_bits(first.state_dict(), other.state_dict())
    redrawn = task.redraw_small(task.make_small_backbone(24), 2)
    assert redrawn.image_size_px == 24
    assert same_bits(redrawn.state_dict(), other.state_dict())


def test_digits_are_scikit_learns_dark_on_white(task):
    from sklearn.datasets import load_digits as load

    digits, bundled = task.load_digits(), load()
    assert np.array_equal(digits.labels, bundled.target)
    assert digits.classes == [str(number) for number in range(10)]
    for index in (0, 900, 1796):
        pixels = np.asarray(digits.read(index)).astype(float)
        assert pixels.shape == (64, 64, 3)
        places = pixels.reshape(8, 8, 8, 8, 3)
        assert (places == places[:, :1, :, :1, :1]).all()
        assert np.abs(16 - places[:, 0, :, 0, 0] / 255 * 16 - bundled.images[index]).max() < 0.05
