"""Maps of channels, the pictures that excite one, and networks compared stage by stage."""

import numpy as np
import pytest
import torch
from made_heat import COLOURS, make_colour_run
from made_networks import copy_state, make_tiny_backbone, same_bits
from made_pictures import make_picture

import tlkit as tl
from tlkit.images.inputs import gather_pictures
from tlkit.inspection import cka, compare_stages, feature_maps, find_maximally_activating
from tlkit.inspection.similarity import cka_band, extract_stages

PICTURES = [make_picture(number, (20, 18)) for number in range(9)]


def test_feature_maps_are_those_of_the_stage():
    backbone = make_tiny_backbone()
    maps = feature_maps(backbone, PICTURES[2], "stem")
    with torch.no_grad():
        expected = backbone.until("stem")(torch.from_numpy(backbone.preprocess(PICTURES[2]))[None])[0].numpy()
    assert maps == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(feature_maps(backbone, gather_pictures(PICTURES[2:3]), -2), maps)
    with pytest.raises(ValueError, match="picture: 9 pictures, expected one"):
        feature_maps(backbone, gather_pictures(PICTURES), "stem")
    with pytest.raises(ValueError, match="stage: 'stemm' is not a stage"):
        feature_maps(backbone, PICTURES[0], "stemm")


def paint(colour, strength):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[..., COLOURS.index(colour)] = strength
    return pixels


def test_the_most_exciting_pictures_are_those_of_the_channels_colour():
    strengths = [30, 200, 90, 250]
    images = gather_pictures([paint(colour, strength) for strength in strengths for colour in COLOURS])
    backbone = make_colour_run().backbone
    for channel, colour in enumerate(COLOURS):
        indices, reactions = find_maximally_activating(backbone, images, "colours", channel, n=3)
        assert [(index % 3, strengths[index // 3]) for index in indices] == [(channel, s) for s in (250, 200, 90)]
        assert reactions == pytest.approx(np.array([250, 200, 90]) / 255, abs=1e-5), colour
    features = tl.extract_features(backbone, images, stage="colours", progress=False)
    assert np.array_equal(
        find_maximally_activating(features, images, "colours", 1)[0],
        find_maximally_activating(backbone, images, -2, 1)[0],
    )


def test_of_a_group_only_the_most_exciting_picture_is_shown():
    import dataclasses

    images = gather_pictures([paint("red", strength) for strength in (10, 200, 190, 50)])
    images = dataclasses.replace(images, groups=["a", "b", "b", "c"])
    backbone = make_colour_run().backbone
    assert find_maximally_activating(backbone, images, "colours", 0)[0].tolist() == [1, 3, 0]
    assert find_maximally_activating(backbone, images, "colours", 0, one_per_group=False)[0].tolist() == [1, 2, 3, 0]
    with pytest.raises(ValueError, match="channel: 3, expected a whole number from 0 to 2"):
        find_maximally_activating(backbone, images, "colours", 3)
    features = tl.extract_features(backbone, images[:2], stage="colours", progress=False)
    with pytest.raises(ValueError, match="Features of 2 pictures, expected those of the 4 images"):
        find_maximally_activating(features, images, "colours", 0)


def test_all_stages_in_one_run_are_those_of_each():
    backbone, images = make_tiny_backbone(), gather_pictures(PICTURES)
    backbone.train()
    before = copy_state(backbone)
    found = extract_stages(backbone, images)
    assert list(found) == list(backbone.stages)
    for stage, values in found.items():
        expected = tl.extract_features(backbone, images, stage=stage, engine="torch", cache=False, progress=False)
        assert values == pytest.approx(expected.values, abs=1e-5)
    assert same_bits(before, backbone.state_dict())
    assert backbone.training


def test_stages_are_compared_by_name_or_each_with_each():
    first, second, images = make_tiny_backbone(), make_tiny_backbone(seed=1), gather_pictures(PICTURES)
    table = compare_stages(first, second, images, n_permutations=20, seed=2)
    assert table[["first", "second"]].to_numpy().tolist() == [["stem", "stem"], ["stage1", "stage1"]]
    ours, theirs = extract_stages(first, images), extract_stages(second, images)
    for row in table.itertuples():
        assert row.cka == pytest.approx(cka(ours[row.first], theirs[row.second]))
        band = cka_band(ours[row.first], theirs[row.second], n_permutations=20, seed=2)
        assert (row.low, row.high) == pytest.approx(band)
    whole = compare_stages(first, first, images, every_pair=True, n_permutations=0, debiased=False)
    assert len(whole) == 4
    assert whole.low.isna().all()
    assert whole.loc[whole["first"] == whole["second"], "cka"].tolist() == pytest.approx([1, 1])
    assert (whole.loc[whole["first"] != whole["second"], "cka"] < 1).all()


def test_networks_without_a_stage_in_common_are_told_what_to_do():
    with pytest.raises(ValueError, match=r"second: colours has no stage with the name of .* every_pair=True"):
        compare_stages(make_tiny_backbone(), make_colour_run().backbone, PICTURES)
