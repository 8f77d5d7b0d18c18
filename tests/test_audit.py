"""The audit of a frozen model: it finds what moves though frozen, passes what `freeze` froze, and changes nothing."""

import collections
import copy

import pytest
import torch
import torchvision
from made_networks import copy_state, make_batch, make_tiny_backbone, same_bits
from torch import nn

import tlkit as tl


def make_tutorial_network():
    """Freeze a network the way that most tutorials do, with a new last layer, in training mode."""
    model = torchvision.models.resnet18(weights=None)
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, 3)
    return model.train()


def rows_of(audit, **values):
    for column, value in values.items():
        audit = audit[audit[column] == value]
    return audit


def test_it_finds_the_fault_of_a_network_frozen_as_in_a_tutorial():
    model = make_tutorial_network()
    audit = tl.audit_freezing(model, make_batch(4, 32))
    assert list(audit) == [
        *("stage", "module", "kind", "claimed", "parameters_moved", "buffers_moved", "mode", "ok"),
    ]
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    faults = audit[~audit.ok]
    assert list(faults.module) == norms
    assert set(faults.kind) == {"norm"}
    assert set(faults.claimed) == {"frozen"}
    assert set(faults["mode"]) == {"train"}
    assert (faults.parameters_moved == 0).all()
    # Mean and variance of each channel, and the number of batches.
    assert list(faults.buffers_moved) == [2 * model.get_submodule(name).num_features + 1 for name in norms]
    assert list(audit.stage.unique()) == ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"]
    assert rows_of(audit, module="fc")[["claimed", "parameters_moved", "ok"]].values.tolist() == [
        ["trainable", 3 * 512 + 3, True]
    ]


def test_it_passes_the_same_network_frozen_by_the_kit():
    model = make_tutorial_network()
    tl.freeze(model, names=[name for name, _ in model.named_children() if name != "fc"])
    audit = tl.audit_freezing(model.train(), make_batch(4, 32))
    assert audit.ok.all()
    assert set(rows_of(audit, claimed="frozen")["mode"]) == {"eval"}
    assert rows_of(audit, claimed="frozen")[["parameters_moved", "buffers_moved"]].to_numpy().sum() == 0


def test_a_backbone_has_a_row_for_each_layer_of_a_stage():
    backbone = tl.freeze(make_tiny_backbone(), up_to="stem")
    audit = tl.audit_freezing(backbone, make_batch())
    n_moved = audit.parameters_moved[2]
    assert 4 * 9 * 6 <= n_moved <= 4 * 9 * 6 + 6, "a bias before batch norm has no gradient but what rounding leaves"
    assert audit.values.tolist() == [
        ["stem", "body.stem.0", "other", "frozen", 0, 0, "eval", True],
        ["stem", "body.stem.1", "norm", "frozen", 0, 0, "eval", True],
        ["stage1", "body.stage1.0", "other", "trainable", n_moved, 0, "train", True],
        ["stage1", "body.stage1.1", "norm", "trainable", 12, 13, "train", True],
        ["stage1", "body.stage1.3", "dropout", "trainable", 0, 0, "train", True],
    ]


def test_a_backbone_with_a_head_is_told_by_its_stages():
    backbone = make_tiny_backbone()
    backbone.tail.append(nn.Dropout(0.5))
    audit = tl.audit_freezing(nn.Sequential(tl.freeze(backbone), nn.Linear(6, 2)), make_batch())
    assert list(audit.stage.unique()) == ["stem", "stage1", "tail", "1"]
    assert audit.ok.all()


def test_dropout_at_work_in_a_frozen_part_is_a_fault():
    backbone = make_tiny_backbone().requires_grad_(False)
    for stage in backbone.body.values():
        tl.freeze(stage[1])
    audit = tl.audit_freezing(backbone, make_batch())
    assert audit[~audit.ok].values.tolist() == [["stage1", "body.stage1.3", "dropout", "frozen", 0, 0, "train", False]]


def test_dropout_without_a_layer_is_found():
    model = torchvision.models.vision_transformer.EncoderBlock(2, 8, 16, dropout=0.0, attention_dropout=0.5)
    dense = torchvision.models.densenet._DenseLayer(4, 2, 2, drop_rate=0.5)
    for part, shape, module in ((model, (4, 3, 8), "0.self_attention"), (dense, (4, 4, 2, 2), "0")):
        network = nn.Sequential(part.requires_grad_(False), nn.Flatten(), nn.LazyLinear(2))
        network(torch.ones(shape))
        audit = tl.audit_freezing(network, torch.ones(shape))
        faults = rows_of(audit, ok=False, kind="dropout")
        assert faults[["module", "mode"]].values.tolist() == [[module, "train"]]
        tl.freeze(network, names="0")
        assert tl.audit_freezing(network, torch.ones(shape)).ok.all()


def test_a_rate_that_a_whole_network_keeps_is_no_fault_while_a_part_of_it_learns():
    model = torchvision.models.VisionTransformer(8, 4, 1, 2, 8, 16, dropout=0.5, num_classes=3)  # its own: class_token
    tl.freeze(model, names=["class_token", "encoder", "conv_proj"])
    audit = tl.audit_freezing(model, make_batch(2, 8))
    assert rows_of(audit, module="")[["claimed", "mode", "ok"]].values.tolist() == [["frozen", "train", True]]
    assert audit.ok.all()


def test_what_can_not_drop_is_not_listed_as_dropout():
    model = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.0))
    assert list(tl.audit_freezing(model, torch.ones(2, 4)).module) == ["0"]


def test_a_trainable_layer_without_a_gradient_is_a_fault():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last, self.unused = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, values):
            return self.last(self.first(values).detach())

    audit = tl.audit_freezing(Cut(), torch.ones(2, 4))
    assert audit[["module", "claimed", "ok"]].values.tolist() == [
        ["first", "trainable", False],
        ["last", "trainable", True],
        ["unused", "trainable", False],
    ]


def test_a_layer_frozen_in_part_says_so():
    model = tl.freeze(nn.Sequential(nn.Linear(4, 2)), names="0.weight")
    audit = tl.audit_freezing(model, torch.ones(2, 4))
    assert audit.values.tolist() == [["0", "0", "other", "partly", 2, 0, "train", True]]


def test_a_frozen_parameter_that_moves_nevertheless_is_a_fault():
    class Overwrites(nn.Linear):
        def forward(self, values):
            with torch.no_grad():
                self.weight.mul_(0.5)
            return super().forward(values)

    model = nn.Sequential(Overwrites(4, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    audit = tl.audit_freezing(model, torch.ones(2, 4))
    assert audit.iloc[0].tolist() == ["0", "0", "other", "frozen", 16, 0, "train", False]


def test_even_the_smallest_gradients_count_as_moving():
    class Shrinks(nn.Module):
        def forward(self, values):
            return values * 1e-12

    audit = tl.audit_freezing(nn.Sequential(nn.Linear(4, 2), Shrinks()), torch.ones(2, 4), torch.tensor([0, 0]))
    assert list(audit.parameters_moved) == [10]


@pytest.mark.parametrize("train", [True, False])
def test_the_model_and_torch_random_state_stay_as_they_were(train):
    model = tl.freeze(make_tiny_backbone(), up_to="stem").train(train)
    before, modes = copy_state(model), [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    state = torch.random.get_rng_state()
    first = tl.audit_freezing(model, make_batch())
    assert same_bits(before, copy_state(model))
    assert [module.training for module in model.modules()] == modes
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(1)
    with torch.no_grad():
        assert tl.audit_freezing(model, make_batch()).equals(first)


def test_members_of_a_tuple_all_count():
    Outputs = collections.namedtuple("Outputs", ["scores", "extra"])

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 2), nn.Linear(4, 3)

        def forward(self, values):
            return Outputs(self.first(values), self.second(values) if self.training else None)

    assert list(tl.audit_freezing(Two(), torch.ones(2, 4)).parameters_moved) == [10, 15]


def test_what_was_not_called_has_the_mode_of_what_is_around_it():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.last = nn.MultiheadAttention(4, 2), nn.Linear(4, 2)

        def forward(self, values):
            return self.last(self.attention(values, values, values)[0])

    audit = tl.audit_freezing(tl.freeze(Attends(), names="attention"), torch.ones(3, 4))
    assert rows_of(audit, module="attention.out_proj")["mode"].tolist() == ["eval"]


def test_statistics_that_are_meant_to_move_are_shown_as_moving():
    audit = tl.audit_freezing(tl.freeze(make_tiny_backbone(), norm="statistics"), make_batch())
    assert rows_of(audit, ok=False)[["module", "buffers_moved"]].values.tolist() == [
        ["body.stem.1", 9],
        ["body.stage1.1", 13],
    ]


def test_norm_layers_trained_among_frozen_ones_are_fine():
    audit = tl.audit_freezing(tl.freeze(make_tiny_backbone(), norm="trainable"), make_batch())
    norms = rows_of(audit, kind="norm")
    assert norms.ok.all()
    assert set(norms.claimed) == {"trainable"}
    assert (norms.parameters_moved > 0).all()


def test_bad_input_is_named():
    backbone = make_tiny_backbone()
    with pytest.raises(ValueError, match=r"batch: one picture, but norm layers need two or more"):
        tl.audit_freezing(backbone, make_batch(1))
    assert len(tl.audit_freezing(tl.freeze(copy.deepcopy(backbone)), make_batch(1))) == 5
    with pytest.raises(ValueError, match="labels: expected 4 numbers from 0 to 5, one per picture"):
        tl.audit_freezing(backbone, make_batch(), torch.tensor([0, 1, 2, 6]))
    with pytest.raises(ValueError, match="labels: expected 4 numbers"):
        tl.audit_freezing(backbone, make_batch(), torch.tensor([0, 1]))
    with pytest.raises(TypeError, match=r"model: returns a tensor \(4, 3, 8, 8\), expected \(n, k\) scores or feat"):
        tl.audit_freezing(nn.AvgPool2d(2), make_batch())
    with pytest.raises(ValueError, match="model: its outputs contain NaN or infinity"):
        tl.audit_freezing(backbone, make_batch() * torch.inf)
