"""The small network for digits: its stages and weights, and what a strategy's `prepare` draws."""

import pytest
import torch
from made_networks import make_batch, same_bits

from tlkit.backbones.small import make_small_backbone, redraw_small


@pytest.mark.parametrize("side", [16, 32, 40])
def test_it_gives_the_means_of_the_four_quarters(side):
    backbone = make_small_backbone(side)
    batch = make_batch(3, side)
    with torch.no_grad():
        features, maps = backbone(batch), backbone.until("stage3")(batch)
    assert features.shape == (3, backbone.n_features) == (3, 256)
    half = maps.shape[-1] // 2
    first = maps[:, :, : half + maps.shape[-1] % 2, : half + maps.shape[-1] % 2].mean(dim=(2, 3))
    assert torch.allclose(features.reshape(3, 64, 4)[:, :, 0], first, atol=1e-6)
    assert list(backbone.stages) == ["stage1", "stage2", "stage3"]


def test_weights_are_those_of_the_seed_and_torchs_random_state_stays():
    state = torch.random.get_rng_state()
    first, again, other = make_small_backbone(seed=1), make_small_backbone(seed=1), make_small_backbone(seed=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert same_bits(first.state_dict(), again.state_dict())
    assert not same_bits(first.state_dict(), other.state_dict())
    redrawn = redraw_small(make_small_backbone(24), 2)
    assert redrawn.image_size_px == 24
    assert same_bits(redrawn.state_dict(), other.state_dict())
