"""Grad-CAM and integrated gradients: a known answer, a slow version, and all left as it was."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from made_axes import make_backbone_of_all_axes
from made_heat import COLOURS, make_colour_run, make_random_run, make_run
from made_networks import copy_state, make_tiny_backbone, same_bits
from made_pictures import make_picture
from PIL import Image
from torch import nn

from tlkit.inspection import grad_cam, integrated_gradients, show_inputs

PICTURES = [make_picture(number, (20, 18)) for number in range(5)]


def make_halves(left, right, side_px=16):
    picture = np.zeros((side_px, side_px, 3), np.uint8)
    picture[:, : side_px // 2, COLOURS.index(left)] = 200
    picture[:, side_px // 2 :, COLOURS.index(right)] = 200
    return Image.fromarray(picture)


@pytest.mark.parametrize("stage", ["colours", "smaller", -1])
def test_the_right_half_is_pointed_at(stage):
    run, picture = make_colour_run(), make_halves("red", "blue")
    for label, hot, cold in (("red", np.s_[:, :7], np.s_[:, 9:]), ("blue", np.s_[:, 9:], np.s_[:, :7])):
        (heat,) = grad_cam(run, [picture], stage=stage, label=label)
        assert heat.shape == (16, 16)
        assert heat[hot].min() > 0.9
        assert heat[cold].max() == 0
    assert not grad_cam(run, [picture], stage=stage, label="green").any()


def test_each_picture_has_a_label_of_its_own_and_by_default_what_is_predicted():
    run = make_colour_run()
    both = [make_halves("red", "blue"), make_halves("red", "blue")]
    of_each = grad_cam(run, both, label=[0, 2])
    assert np.array_equal(of_each[0], grad_cam(run, both, label="red")[0])
    assert np.array_equal(of_each[1], grad_cam(run, both, label=2)[1])
    mostly_blue = np.array(both[0])
    mostly_blue[:4] = (0, 0, 200)
    assert run.predict([mostly_blue]).argmax() == 2
    for method in (grad_cam, integrated_gradients):
        assert np.array_equal(method(run, [mostly_blue]), method(run, [mostly_blue], label="blue"))


def explain_slowly(run, picture, stage, label):
    """Grad-CAM by the paper's formula: each gradient by a small step, a sum over channels, interpolation."""
    batch = torch.from_numpy(run.backbone.preprocess(picture))[None]
    with torch.no_grad():
        maps = run.backbone.until(stage)(batch).double()
        rest = nn.Sequential(run.backbone.after(stage), run.head).double()
        gradient = torch.zeros_like(maps[0])
        for place in np.ndindex(*maps.shape[1:]):
            step = torch.zeros_like(maps)
            step[(0, *place)] = 1e-6
            gradient[place] = (rest(maps + step) - rest(maps - step))[0, label] / 2e-6
        rest.float()
    total = np.zeros(maps.shape[2:])
    for channel in range(maps.shape[1]):
        total += gradient[channel].mean().item() * maps[0, channel].numpy()
    total = np.maximum(total, 0)
    side_px, small = run.backbone.image_size_px, len(total)
    places = np.clip((np.arange(side_px) + 0.5) * small / side_px - 0.5, 0, small - 1)
    low = np.minimum(np.floor(places).astype(int), max(small - 2, 0))
    heat = np.zeros((side_px, side_px))
    for y, x in np.ndindex(side_px, side_px):
        for dy, dx in np.ndindex(2, 2):
            weight = abs(1 - dy - (places[y] - low[y])) * abs(1 - dx - (places[x] - low[x]))
            heat[y, x] += weight * total[min(low[y] + dy, small - 1), min(low[x] + dx, small - 1)]
    return heat / max(heat.max(), 1e-38)


@pytest.mark.parametrize("stage", ["stem", "stage1"])
def test_grad_cam_is_that_of_a_slow_version(stage):
    run = make_random_run()
    fast = grad_cam(run, PICTURES[:3], stage=stage, label=[0, 1, 2])
    assert fast.any(axis=(1, 2)).sum() >= 2
    for number in range(3):
        assert fast[number] == pytest.approx(explain_slowly(run, PICTURES[number], stage, number), abs=1e-4)


def test_what_each_pixel_gets_sums_to_the_difference_of_the_scores():
    run = make_random_run()
    shares = integrated_gradients(run, PICTURES, label=1, n_steps=200, baseline=(10, 200, 90))
    plain = Image.new("RGB", (16, 16), (10, 200, 90))
    batch = torch.from_numpy(np.stack([run.backbone.preprocess(picture) for picture in [*PICTURES, plain]]))
    with torch.no_grad():
        scores = run.head(run.backbone(batch))[:, 1].numpy()
    assert np.abs(scores[:-1] - scores[-1]).min() > 0.01
    assert shares.sum(axis=(1, 2)) == pytest.approx(scores[:-1] - scores[-1], abs=0.02 * float(np.ptp(scores)))


def test_what_has_the_colour_of_the_baseline_gets_nothing():
    run, picture = make_colour_run(), np.array(make_halves("red", "blue"))
    (shares,) = integrated_gradients(run, [picture], label="blue", baseline=(200, 0, 0))
    assert not shares[:, :8].any()
    assert shares[:, 8:].min() > 0


@pytest.mark.parametrize("method", [grad_cam, integrated_gradients])
def test_the_run_stays_as_it_was_modes_and_gradients_too(method):
    run = make_random_run()
    run.backbone.train()
    next(run.backbone.parameters()).requires_grad_(False)
    before = copy_state(run.backbone), copy_state(run.head)
    modes = [module.training for module in run.backbone.modules()]
    gradients = [parameter.requires_grad for parameter in run.backbone.parameters()]
    trained = method(run, PICTURES)
    assert same_bits(before[0], run.backbone.state_dict())
    assert same_bits(before[1], run.head.state_dict())
    assert [module.training for module in run.backbone.modules()] == modes
    assert [parameter.requires_grad for parameter in run.backbone.parameters()] == gradients
    assert all(parameter.grad is None for parameter in run.backbone.parameters())
    run.backbone.eval()
    assert np.array_equal(method(run, PICTURES), trained)


def test_a_failure_leaves_the_modes_too():
    run = make_random_run()
    run.backbone.train()
    with pytest.raises(ValueError, match="label"):
        grad_cam(run, PICTURES, label=7)
    assert run.backbone.training
    assert all(parameter.requires_grad for parameter in run.backbone.parameters())


def test_maps_with_channels_last_have_a_heat_map_and_tokens_have_none():
    backbone = make_backbone_of_all_axes()
    run = make_run(backbone, nn.Linear(backbone.n_features, 3), COLOURS)
    assert grad_cam(run, PICTURES[:2], stage="places", label=0).shape == (2, 16, 16)
    assert integrated_gradients(run, PICTURES[:2]).shape == (2, 16, 16)
    for stage in ("tokens", "last"):
        with pytest.raises(ValueError, match=f"stage: '{stage}' of axes gives .* which is no map of height and width"):
            grad_cam(run, PICTURES[:2], stage=stage)


@pytest.mark.parametrize(
    ("error", "said", "settings"),
    [
        (ValueError, "stage: 'stagge' is not a stage of tiny", {"stage": "stagge"}),
        (ValueError, "label: 'rid' is unknown; nearest: 'red'", {"label": "rid"}),
        (ValueError, "label: 3, expected 0 to 2", {"label": 3}),
        (TypeError, "label: \\[0, 1\\], expected a class by name or index, or 5 indices", {"label": [0, 1]}),
        (TypeError, "label: 0.5, expected", {"label": 0.5}),
    ],
)
def test_what_cannot_be_explained_is_said(error, said, settings):
    with pytest.raises(error, match=said):
        grad_cam(make_random_run(), PICTURES, **settings)


def test_integrated_gradients_check_their_settings():
    run = make_random_run()
    with pytest.raises(ValueError, match="baseline: \\(1, 2\\), expected red, green and blue"):
        integrated_gradients(run, PICTURES, baseline=(1, 2))
    with pytest.raises(ValueError, match="n_steps: 0"):
        integrated_gradients(run, PICTURES, n_steps=0)
    with pytest.raises(ValueError, match="pictures: none"):
        integrated_gradients(run, [])


def test_without_captum_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.delitem(sys.modules, "captum.attr", raising=False)
    with pytest.raises(ModuleNotFoundError, match="heat maps need captum, which is not installed: pip install captum"):
        grad_cam(make_random_run(), PICTURES)


def test_looking_inside_loads_captum_only_where_it_is_used():
    code = "import sys, tlkit as tl; tl.inspection.cka; sys.exit('captum' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_squares_are_what_the_network_sees():
    backbone = make_tiny_backbone()
    squares = show_inputs(backbone, PICTURES)
    assert squares.shape == (5, 16, 16, 3)
    assert squares.dtype == np.uint8
    for square, picture in zip(squares, PICTURES, strict=True):
        assert np.array_equal(backbone.recipe.to_array(Image.fromarray(square)), backbone.preprocess(picture))
