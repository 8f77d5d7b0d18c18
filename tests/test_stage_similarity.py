"""Networks compared stage by stage."""

import pytest
from made_heat import make_colour_run
from made_networks import copy_state, make_tiny_backbone, same_bits
from made_pictures import make_picture

import tlkit as tl
from tlkit.images.inputs import gather_pictures
from tlkit.inspection import cka, compare_stages
from tlkit.inspection.similarity import cka_band, extract_stages

PICTURES = [make_picture(number, (20, 18)) for number in range(9)]


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
