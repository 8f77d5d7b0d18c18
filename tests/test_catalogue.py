"""The catalogue: every network and every set of weights, as their publishers describe them, with costs computed."""

import re
import subprocess
import sys

import pytest
import torchvision
from network_table_script import compute_costs, list_published
from torchvision.models import get_model_weights, list_models

from tlkit.backbones.families import FAMILIES
from tlkit.backbones.networks import CATALOGUE, TABLE, find_entry, list_entries

COSTS = ("n_parameters", "n_flops", "n_features", "smallest_size_px")
# Parameters that torchvision counts beside the backbone and a classifier of 1,000 classes.
N_OTHERS = {"inception_v3": 3_326_696, "maxvit_t": -1000}  # an auxiliary classifier; no bias in the last layer


def find_published(entry):
    """Return torchvision's own description of an entry's weights."""
    return get_model_weights(entry.name)[entry.weights]


TORCHVISION = [entry for entry in list_entries() if entry.weights_package is None]
CHEAPEST = {
    min((entry for entry in CATALOGUE.values() if entry.family == family), key=lambda entry: entry.n_flops).name
    for family in FAMILIES
}


def choose_marks(name):
    """Choose the cheapest network of each family, and for a quick run those of them that are cheap to build."""
    if name not in CHEAPEST:
        return [pytest.mark.exhaustive]
    return [pytest.mark.slow] if CATALOGUE[name].n_flops > 2e9 else []


ROWS = [
    pytest.param(row, id=f"{row['name']}-{row['weights']}", marks=choose_marks(row["name"])) for row in list_published()
]


def test_every_classification_builder_of_torchvision_is_there_with_all_its_weights():
    known = {(entry.name, entry.weights) for entry in TORCHVISION}
    assert known == {
        (name, weights.name) for name in list_models(module=torchvision.models) for weights in get_model_weights(name)
    }
    others = {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "open_nsfw", "ppocr_rec"}
    assert CATALOGUE.keys() == others | {entry.name for entry in TORCHVISION}
    assert all(
        entry.weights == get_model_weights(entry.name).DEFAULT.name
        for entry in CATALOGUE.values()
        if entry in TORCHVISION
    )


def test_the_stored_table_says_what_the_publishers_say():
    for row in list_published():
        entry = find_entry(row["name"], row["weights"])
        recipe = entry.recipe
        assert (recipe.resize_size_px, recipe.crop_size_px) == (row["resize_size_px"], row["crop_size_px"])
        assert (recipe.interpolation, entry.weights_file) == (row["interpolation"], row["weights_file"])
        assert [" ".join(map(str, values)) for values in (recipe.mean, recipe.std)] == [row["mean"], row["std"]]
        assert (entry.weights_url or "", entry.weights_package or "") == (row["weights_url"], row["weights_package"])
        assert entry.weights_size_mb == row["weights_size_mb"]
        assert (entry.accuracy or "", entry.accuracy_source or "") == (row["accuracy"], row["accuracy_source"])


@pytest.mark.parametrize("row", ROWS)
def test_the_stored_costs_are_those_computed_anew(row):
    entry = find_entry(row["name"], row["weights"])
    assert {name: getattr(entry, name) for name in COSTS} == compute_costs(row)


@pytest.mark.parametrize("entry", TORCHVISION, ids=lambda entry: f"{entry.name}-{entry.weights}")
def test_costs_are_near_what_torchvision_publishes(entry):
    meta = find_published(entry).meta
    if entry.weights == "IMAGENET1K_FEATURES":
        assert entry.n_parameters < meta["num_params"]
        return
    classifier = 1000 * (entry.n_features + 1)
    assert entry.n_parameters + classifier + N_OTHERS.get(entry.name, 0) == meta["num_params"]
    # SqueezeNet's classifier is a convolution, which looks at every place of a map of 13 × 13.
    n_places = 13 * 13 if entry.family == "SqueezeNet" else 1
    n_flops = entry.n_flops + 2 * 1000 * entry.n_features * n_places
    assert n_flops == pytest.approx(2e9 * meta["_ops"], rel=0.02)


def test_each_network_belongs_to_one_family_and_each_family_has_networks():
    for name in CATALOGUE:
        assert [family.name for family in FAMILIES.values() if re.fullmatch(family.pattern, name)] == [
            CATALOGUE[name].family
        ]
    assert {entry.family for entry in CATALOGUE.values()} == set(FAMILIES)


def test_facts_of_the_weights_are_told_apart():
    assert find_entry("resnet18").licence == "unknown"
    assert (find_entry("efficientnet_lite1").licence, find_entry("efficientnet_lite1").accuracy) == (
        "Apache-2.0",
        0.767,
    )
    tuned, linear = (find_entry("vit_h_14", f"IMAGENET1K_SWAG_{kind}_V1") for kind in ("E2E", "LINEAR"))
    assert tuned.licence == linear.licence == "CC-BY-NC-4.0"
    assert tuned.pretrained_on.endswith("then ImageNet-1k")
    assert "ImageNet" not in linear.pretrained_on
    swag = {entry.weights for entry in TORCHVISION if entry.licence != "unknown"}
    assert swag == {weights.weights for weights in TORCHVISION if "license" in find_published(weights).meta}
    kinds = {entry.name: entry.kind for entry in list_entries() if entry.kind != "general"}
    assert kinds == {"open_nsfw": "task", "ppocr_rec": "domain"}
    unrated = [entry for entry in list_entries() if entry.accuracy is None]
    assert [entry.weights for entry in unrated] == ["V1", "V1", "IMAGENET1K_FEATURES"]
    assert all(
        0.55 < entry.accuracy < 0.9 and entry.accuracy_source for entry in list_entries() if entry not in unrated
    )


def test_a_set_of_weights_is_found_by_its_tag():
    assert find_entry("resnet50").weights_file == "resnet50-11ad3fa6.pth"
    assert find_entry("resnet50", "IMAGENET1K_V1").weights_file == "resnet50-0676ba61.pth"
    with pytest.raises(
        ValueError, match=r"weights: 'IMAGENET1K_V3' is no set of weights of resnet50; nearest: 'IMAGENET"
    ):
        find_entry("resnet50", "IMAGENET1K_V3")
    with pytest.raises(ValueError, match=r"name: 'resnet_50' is not a backbone .*; nearest: 'resnet50'"):
        find_entry("resnet_50")
    with pytest.raises(TypeError, match="name: a NoneType, expected the name of a network"):
        find_entry(None)


def test_entries_are_listed_by_pattern_with_the_default_weights_first():
    assert [entry.name for entry in list_entries("vgg1?")] == ["vgg11", "vgg13", "vgg16", "vgg16", "vgg19"]
    assert [entry.weights for entry in list_entries("mobilenet_v2")] == ["IMAGENET1K_V2", "IMAGENET1K_V1"]
    assert list_entries("resnet_*") == []
    assert len(list_entries()) == len(TORCHVISION) + 5


def test_the_catalogue_is_read_without_torch_and_without_the_libraries():
    program = (
        "import sys; from tlkit.backbones.networks import list_entries; assert len(list_entries()) > 100; "
        "print([name for name in ('torch', 'torchvision', 'timm', 'pandas') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_table_is_a_file_of_the_package():
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("name,weights,resize_size_px,crop_size_px,interpolation,mean,std,weights_file")
    assert len(lines) == 1 + len(list_entries())
