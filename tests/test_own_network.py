"""Networks of one's own: cut into stages, trained, saved and loaded again."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import tlkit as tl
from tlkit.backbones.networks import WHOLE


class Tutorial(nn.Module):
    """A CNN as beginners write it, with functions between its layers."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
            self.pool = nn.MaxPool2d(2, 2)
            self.fc1, self.fc2, self.fc3 = nn.Linear(400, 20), nn.Linear(20, 12), nn.Linear(12, 10)

    def forward(self, batch):
        batch = self.pool(nn.functional.relu(self.conv1(batch)))
        batch = self.pool(nn.functional.relu(self.conv2(batch)))
        batch = torch.flatten(batch, 1)
        batch = nn.functional.relu(self.fc2(nn.functional.relu(self.fc1(batch))))
        return nn.functional.log_softmax(self.fc3(batch), dim=1)

    def features(self, batch):
        """Return the input of the classifier, computed by hand."""
        kept = []
        hook = self.fc3.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0]))
        self(batch)
        hook.remove()
        return kept[0]


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="photo").few(2)


def make_own(module="tests.test_own_network:Tutorial", side=32, **settings):
    settings = {"classifier": "fc3"} | settings
    return tl.Backbone.from_module(module, recipe=tl.backbones.make_recipe(side), **settings)


def test_functions_between_layers_are_part_of_the_stages():
    network, batch = Tutorial().eval(), torch.randn(3, 3, 32, 32)
    backbone = make_own(network)
    assert backbone.stages == ("conv1", "conv2", "fc1", "fc2")
    assert torch.equal(backbone(batch), network.features(batch))
    assert torch.equal(backbone.after("conv2")(backbone.until("conv2")(batch)), network.features(batch))
    assert backbone.infer_shape(32, "conv2") == (1, 16, 5, 5), "flattening belongs to fc1"


def test_a_run_is_loaded_with_the_factory_that_the_user_names(images, tmp_path):
    run = tl.transfer(make_own(), images, "lp_ft", progress=False)
    run.save(tmp_path)
    with pytest.raises(ValueError, match=r"backbone: None, .* backbone='tests.test_own_network:Tutorial'"):
        tl.load_run(tmp_path)
    for backbone in ("tests.test_own_network:Tutorial", make_own()):
        loaded = tl.load_run(tmp_path, backbone=backbone)
        assert np.array_equal(loaded.predict(images), run.predict(images))


def test_a_network_that_can_not_be_cut_is_one_stage(images):
    class Branching(Tutorial):
        def forward(self, batch):
            return super().forward(-batch if batch.sum() > 1e9 else batch)

    with pytest.warns(UserWarning, match=r"module: Branching couldn't be cut \(TraceError.* one stage"):
        backbone = make_own(Branching(), classifier=None)
    assert backbone.stages == (WHOLE,)


def test_the_backbone_of_a_segmentation_network():
    network = torchvision.models.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)
    backbone, batch = make_own(network.backbone, 64, classifier="auto"), torch.randn(2, 3, 64, 64)
    assert backbone.stages == ("stage1", "stage2", "stage3", "stage4")
    expected = network.backbone.eval()(batch)["out"].mean((2, 3))
    assert torch.equal(backbone(batch), expected)
