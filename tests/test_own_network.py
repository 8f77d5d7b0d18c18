"""Networks of one's own: cut into stages, trained, saved and loaded again."""

import dataclasses
import json
import sys
import threading

import numpy as np
import pytest
import timm
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


def test_an_exported_program_is_one_stage_with_its_features():
    network, batch = Tutorial().eval(), torch.randn(2, 3, 32, 32)
    exported = torch.export.export(network, (batch,), dynamic_shapes=({0: torch.export.Dim.AUTO},)).module()
    with pytest.warns(UserWarning, match="layers are no modules that it calls, as after torch.export"):
        backbone = make_own(exported, classifier=None)
    assert backbone.stages == (WHOLE,) and torch.allclose(backbone(batch), network(batch), atol=1e-6)


def test_the_backbone_of_a_segmentation_network():
    network = torchvision.models.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)
    backbone, batch = make_own(network.backbone, 64, classifier="auto"), torch.randn(2, 3, 64, 64)
    assert backbone.stages == ("stage1", "stage2", "stage3", "stage4")
    expected = network.backbone.eval()(batch)["out"].mean((2, 3))
    assert torch.equal(backbone(batch), expected)


class Rectified(Tutorial):
    """The same weights, another function between them."""

    def forward(self, batch):
        return super().forward(batch.abs())


def test_code_that_has_changed_is_found_out(images, tmp_path):
    tl.transfer(make_own(), images, "linear_probe", progress=False).save(tmp_path)
    with pytest.raises(ValueError, match="Tutorial gives other features than when the run was saved"):
        tl.load_run(tmp_path, backbone="tests.test_own_network:Rectified")
    with pytest.raises(ValueError, match=r"factory: 'tests.test_own_network:None_', expected"):
        tl.load_run(tmp_path, backbone="tests.test_own_network:None_")


def test_reading_a_run_folder_runs_no_code(images, tmp_path, monkeypatch):
    (tmp_path / "hostile_factory.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    run = tl.transfer(make_own(Tutorial(), factory="hostile_factory:make"), images, "linear_probe", progress=False)
    run.save(tmp_path / "run")
    assert (
        json.loads((tmp_path / "run" / "run.json").read_text())["backbone"]["made"]["factory"] == "hostile_factory:make"
    )
    with pytest.raises(ValueError, match="backbone: None"):
        tl.load_run(tmp_path / "run")
    assert "hostile_factory" not in sys.modules


def test_changes_alone_need_the_factory(images, tmp_path):
    strategy = tl.Strategy([tl.Phase([-1, "head"], 1, 1e-3)])
    run = tl.transfer(make_own(), images, strategy, progress=False)
    run.save(tmp_path, only_changes=True)
    loaded = tl.load_run(tmp_path, backbone="tests.test_own_network:Tutorial")
    assert np.array_equal(loaded.predict(images), run.predict(images))
    with pytest.raises(ValueError, match="only_changes: backbone: None"):
        tl.transfer(make_own(Tutorial()), images, strategy, progress=False).save(tmp_path / "other", only_changes=True)


@pytest.mark.parametrize("name", [name for name in tl.strategies.names() if name != "lora"])
def test_every_strategy_trains_an_own_network(images, name):
    strategy = tl.strategies.get(name)
    phases = [dataclasses.replace(phase, n_epochs=phase.n_epochs and 1) for phase in strategy.phases]
    backbone = make_own()
    run = tl.transfer(backbone, images, dataclasses.replace(strategy, phases=phases, name="short"), progress=False)
    assert run.completed and bool(run.changed) == any(
        phase.n_epochs for phase in phases if set(phase.train) != {"norm", "head"}
    )
    assert backbone.fingerprint() == make_own().fingerprint(), "the original stays as it is"


class Neighbour(Tutorial):
    """Another thread uses a network during each forward pass."""

    def forward(self, batch):
        other = nn.Sequential(nn.Linear(2, 2))
        thread = threading.Thread(target=lambda: other(torch.ones(1, 2)))
        thread.start()
        thread.join()
        return super().forward(batch)


def test_other_threads_do_not_notice_the_recording():
    network = Neighbour()
    backbone = make_own(network)
    assert backbone.stages == ("conv1", "conv2", "fc1", "fc2"), "else an exception in the thread fails the test"


def test_stages_can_be_named():
    network, batch = Tutorial().eval(), torch.randn(2, 3, 32, 32)
    backbone = make_own(network, stages={"eyes": "conv1", "mind": "fc1"})
    assert backbone.stages == ("eyes", "mind")
    assert torch.equal(backbone(batch), network.features(batch))
    for stages in (["fc1", "conv1"], ["conv1", "conv9"]):
        with pytest.raises(ValueError, match=r"stages: .* can't be cut"):
            make_own(network, stages=stages)


def test_a_network_of_timm_with_four_channels_has_the_stages_of_the_catalogue():
    network = timm.create_model("resnet18", in_chans=4).eval()
    recipe = tl.backbones.make_recipe(32, n_channels=4)
    backbone, batch = tl.Backbone.from_module(network, recipe=recipe), torch.randn(2, 4, 32, 32)
    assert backbone.stages == tl.load_backbone("timm:resnet18", weights=None).stages
    assert torch.equal(backbone(batch), network.forward_head(network.forward_features(batch), pre_logits=True))


class Restless(Tutorial):
    """Draws anew at each call."""

    def forward(self, batch):
        return super().forward(batch + torch.rand_like(batch))


class Several(Tutorial):
    """Gives more than one output."""

    def forward(self, batch):
        return {"low": self.conv1(batch), "high": self.conv2(self.conv1(batch))}


class Squeezed(Tutorial):
    """Loses the rows of a batch of one picture."""

    def forward(self, batch):
        return super().forward(batch).squeeze()


class BatchNormed(Tutorial):
    """Norms pictures by those beside them, also in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)

    def forward(self, batch):
        return super().forward(self.norm(batch))


class Twofold(Tutorial):
    """Takes two pictures at a time."""

    def forward(self, batch):
        return super().forward(batch.reshape(2, 3, 32, 32))


def make_bound():
    """Return a network with a weight that isn't a leaf, as torch.nn.utils.weight_norm makes it."""
    network = Tutorial()
    weight = network.conv1.weight
    del network.conv1.weight
    network.conv1.raw, network.conv1.weight = weight, 2 * weight
    return network


class TwoHeaded(Tutorial):
    """Adds the outputs of two heads on other features."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 10)

    def forward(self, batch):
        return super().forward(batch) + self.head(batch.mean((2, 3)))


class Forgetful(Tutorial):
    """Returns nothing."""

    def forward(self, batch):
        super().forward(batch)


@pytest.mark.parametrize(
    ("module", "settings", "message"),
    [
        (Squeezed(), {"classifier": None}, "module: gives other features for a picture alone than in a batch"),
        (BatchNormed(), {}, "module: gives other features for a picture alone than in a batch, for example by squeeze"),
        (
            TwoHeaded(),
            {"classifier": "auto"},
            "classifier: 'head' isn't all that follows the features: classifier=None keeps it",
        ),
        (make_bound(), {}, r"module: can't be copied \(Only Tensors created .*\): leave out what prevents that"),
        (Forgetful(), {}, "module: gives NoneType for 2 pictures, expected finite values"),
        (Tutorial().double(), {}, "recipe: the module fails for a float32 batch"),
        (Twofold(), {}, r"recipe: the module fails for a float32 batch of \(1, 3, 32, 32\)"),
        (Restless(), {}, "module: gives other values for the same pictures each time"),
        (
            Several(),
            {"classifier": None},
            r"output: None, expected one of the outputs of the module, \['low', 'high'\]",
        ),
        (Tutorial(), {"side": 64}, r"recipe: the module fails for a float32 batch of \(2, 3, 64, 64\)"),
        (Tutorial(), {"classifier": "fc9"}, "classifier: 'fc9' is no layer that the module calls; nearest"),
        ([], {}, "module: a list, expected a torch.nn.Module"),
        ("network.pt2", {}, "factory: 'network.pt2', a file of torch.export, whose reading can run code in it"),
        ("no_such_package:make", {}, "factory: 'no_such_package:make', expected 'package.module:function'"),
    ],
)
def test_a_module_that_can_not_be_used_is_refused_with_a_remedy(module, settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make_own(module, **settings)


@pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")
def test_torchscript_is_refused():
    with pytest.raises(TypeError, match="whose code can be recorded, not TorchScript, or 'package"):
        make_own(torch.jit.trace(Tutorial().eval(), torch.randn(2, 3, 32, 32)))


def test_a_chosen_output_is_averaged_over_its_positions():
    network, batch = Several().eval(), torch.randn(2, 3, 32, 32)
    backbone = make_own(network, classifier=None, output="high")
    assert torch.equal(backbone(batch), network(batch)["high"].mean((2, 3)))
