"""Freezing: frozen layers keep every bit through training, and all others learn."""

import copy
import pickle

import pytest
import torch
from made_networks import copy_state, make_batch, make_tiny_backbone, same_bits
from torch import nn
from torchvision.models.swin_transformer import SwinTransformerBlock
from torchvision.models.vision_transformer import EncoderBlock

import tlkit as tl
from tlkit.backbones.freezing.freeze import has_moving_statistics, hold_norm_statistics, thaw
from tlkit.training.optimizer import apply_phase


class Mixed(nn.Module):
    """One of each kind of norm layer and dropout, and a parameter of the model's own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.first = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.InstanceNorm2d(4, track_running_stats=True)
        )
        self.second = nn.Sequential(nn.GroupNorm(2, 4), nn.Dropout2d(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
        self.last = nn.Sequential(nn.LayerNorm(4), nn.Dropout(0.5), nn.Linear(4, 5))

    def forward(self, batch):
        return self.last(self.second(self.first(batch)) * self.scale)


def make_mixed():
    torch.manual_seed(0)
    return Mixed()


def train_a_step(model, seed=0):
    """Train one step with momentum and weight decay; return the names of the tensors whose bits changed."""
    before = copy_state(model)
    model.train()
    values = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.SGD(values or [torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9, weight_decay=0.1)
    for part in (0, 1):
        out = model(make_batch(4, 16, seed + part))
        if out.requires_grad:
            optimizer.zero_grad()
            (out**2).sum().backward()
            optimizer.step()
    after = copy_state(model)
    return {name for name in before if not torch.equal(before[name], after[name])}


def count_trainable(model):
    """Return the number of parameters that training would move."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def movable(model):
    """Return the names of all that training can change; torch never counts the batches of instance norm."""
    return {name for name in model.state_dict() if name != "first.2.num_batches_tracked"}


def parts_of(names):
    """Return the modules whose parameters or buffers are among the names."""
    return {name.rpartition(".")[0] for name in names}


@pytest.mark.parametrize("make", [make_tiny_backbone, make_mixed])
def test_training_moves_everything_where_nothing_is_frozen(make):
    model = make()
    assert train_a_step(model) == movable(model)


def test_requires_grad_alone_lets_running_statistics_move():
    model = make_tiny_backbone().requires_grad_(False)
    moved = train_a_step(model)
    assert {name.rpartition(".")[2] for name in moved} == {"running_mean", "running_var", "num_batches_tracked"}


@pytest.mark.parametrize("make", [make_tiny_backbone, make_mixed])
def test_a_frozen_model_keeps_every_bit_through_training(make):
    model = make()
    assert tl.freeze(model) is model
    assert train_a_step(model) == set()
    assert count_trainable(model) == 0
    assert not has_moving_statistics(model)


@pytest.mark.parametrize("up_to", ["stem", -2])
def test_stages_up_to_one_keep_every_bit_and_the_rest_learns(up_to):
    model = tl.freeze(make_tiny_backbone(), up_to=up_to)
    moved = train_a_step(model)
    assert moved == {name for name in model.state_dict() if name.startswith("body.stage1.")}
    assert count_trainable(model) == 4 * 9 * 6 + 6 + 2 * 6


def test_the_last_stage_includes_all():
    assert train_a_step(tl.freeze(make_tiny_backbone(), up_to=-1)) == set()


def test_a_real_network_keeps_the_bits_of_its_frozen_stages():
    model = tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)
    tl.freeze(model, up_to="stage4")
    moved = train_a_step(model)
    assert moved
    assert {name.split(".")[1] for name in moved} == {"conv_head", "fc"}
    assert moved == {name for name in model.state_dict() if name.split(".")[1] in ("conv_head", "fc")}


@pytest.mark.parametrize(
    ("names", "frozen"),
    [
        ("first", {"first.0", "first.1", "first.2"}),
        (["first.0", "last.2"], {"first.0", "last.2"}),
        ("*.0", {"first.0", "second.0", "last.0"}),
        ("first.*", {"first.0", "first.1", "first.2"}),
        ("scale", {""}),
    ],
)
def test_modules_and_parameters_are_frozen_by_name_and_pattern(names, frozen):
    model = tl.freeze(make_mixed(), names=names)
    assert train_a_step(model) == {name for name in movable(model) if name.rpartition(".")[0] not in frozen}


def test_a_single_parameter_is_frozen_by_its_name():
    model = tl.freeze(make_mixed(), names="last.2.bias")
    assert movable(model) - train_a_step(model) == {"last.2.bias"}


def test_a_stage_and_names_are_frozen_together():
    model = tl.freeze(make_tiny_backbone(), up_to="stem", names="body.stage1.0")
    assert parts_of(train_a_step(model)) == {"body.stage1.1"}


def test_norm_layers_may_keep_moving_their_statistics():
    model = tl.freeze(make_tiny_backbone(), up_to="stem", norm="statistics")
    moved = {name for name in train_a_step(model) if name.startswith("body.stem.")}
    assert moved == {f"body.stem.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert has_moving_statistics(model)


def test_norm_layers_may_be_trained_among_frozen_ones():
    model = tl.freeze(make_tiny_backbone(), norm="trainable")
    assert parts_of(train_a_step(model)) == {"body.stem.1", "body.stage1.1"}
    assert count_trainable(model) == 2 * 4 + 2 * 6


def test_every_kind_of_norm_layer_counts_as_one():
    norms = {"first.1", "first.2", "second.0", "last.0"}
    assert parts_of(train_a_step(tl.freeze(make_mixed(), norm="trainable"))) == norms
    assert parts_of(train_a_step(tl.freeze(make_mixed(), norm="statistics"))) == {"first.1", "first.2"}


def test_only_norm_statistics_are_held_where_that_is_asked():
    model = make_mixed()
    hold_norm_statistics(model)
    assert not has_moving_statistics(model)
    held = {name for name in model.state_dict() if "running" in name or "tracked" in name}
    assert train_a_step(model) == movable(model) - held


def test_dropout_drops_nothing_in_frozen_parts_and_something_in_others():
    batch = make_batch()
    model = tl.freeze(make_tiny_backbone())
    model.train()
    assert torch.equal(model(batch), model(batch))
    model = tl.freeze(make_tiny_backbone(), up_to="stem")
    model.train()
    assert not torch.equal(model(batch), model(batch))


def test_a_frozen_part_computes_what_it_does_in_evaluation():
    batch = make_batch()
    model = make_tiny_backbone()
    expected = model(batch)
    tl.freeze(model).train()
    assert torch.equal(model(batch), expected)


@pytest.mark.parametrize("remake", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_and_a_pickle_stay_frozen_and_can_be_thawed(remake):
    model = tl.freeze(make_tiny_backbone())
    model.train()
    other = remake(model)
    assert train_a_step(other) == set()
    assert train_a_step(thaw(other)) == set(other.state_dict())
    assert train_a_step(model) == set(), "thawing the copy thawed the original"


def test_thawing_undoes_every_freeze():
    model = make_mixed()
    for _ in range(2):
        tl.freeze(model)
    tl.freeze(model, names="first.1", norm="statistics")
    assert thaw(model) is model
    assert all(value.requires_grad for value in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert train_a_step(model) == movable(model)


def test_an_optimizer_from_before_the_freeze_moves_nothing_more():
    model = make_tiny_backbone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    model.train()
    model(make_batch()).sum().backward()
    optimizer.step()
    model(make_batch()).sum().backward()
    tl.freeze(model)
    before = copy_state(model)
    optimizer.step()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


class Drops(nn.Module):
    """A part that asks for its own mode to drop, holds a parameter itself, and has no layer for either."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.layer = nn.Linear(4, 4)

    def forward(self, values):
        return nn.functional.dropout(self.layer(values) * self.scale, 0.5, self.training)


@pytest.mark.parametrize("names", ["0", "0.*", ["0.scale", "0.layer"], ["*.scale", "*.weight", "*.bias"]])
def test_patterns_that_match_all_of_a_module_turn_its_own_dropout_off(names):
    model = nn.Sequential(Drops(), nn.Linear(4, 2))
    part = tl.freeze(model, names=names)[0]
    model.train()
    values = torch.ones(3, 4)
    assert torch.equal(part(values), part(values))


def test_a_pattern_for_parameters_holds_the_statistics_of_their_norm_layer():
    model = tl.freeze(make_mixed(), names="first.1.*")
    assert not {name for name in train_a_step(model) if name.startswith("first.1.")}


def test_a_pattern_for_some_parameters_leaves_the_rest_of_their_module_alone():
    model = tl.freeze(make_mixed(), names="first.1.weight")
    assert train_a_step(model) == movable(model) - {"first.1.weight"}
    model = nn.Sequential(Drops(), nn.Linear(4, 2))
    part = tl.freeze(model, names="0.layer")[0]
    model.train()
    assert not torch.equal(part(torch.ones(3, 4)), part(torch.ones(3, 4)))


def test_a_pattern_leaves_norm_layers_as_they_are_wanted():
    moved = train_a_step(tl.freeze(make_mixed(), names="first.*", norm="trainable"))
    assert {"first.1.weight", "first.1.bias", "first.1.running_mean"} <= moved
    moved = train_a_step(tl.freeze(make_mixed(), names="first.*", norm="statistics"))
    assert {name for name in moved if name.startswith("first.1.")} == {
        f"first.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
    }


def test_what_follows_the_last_frozen_stage_drops_nothing():
    backbone = make_tiny_backbone()
    backbone.tail.append(nn.Dropout(0.5))
    tl.freeze(backbone, up_to=-1).train()
    assert torch.equal(backbone(make_batch()), backbone(make_batch()))


def test_a_phase_for_the_head_alone_freezes_what_follows_the_last_stage_too():
    backbone = make_tiny_backbone()
    backbone.tail.append(nn.Dropout(0.5))
    apply_phase(backbone, nn.Linear(6, 2), tl.Phase(["head"], 1, 1e-3))
    backbone.train()
    assert torch.equal(backbone(make_batch()), backbone(make_batch()))


def test_attention_and_stochastic_depth_drop_nothing_where_frozen():
    block = EncoderBlock(2, 8, 16, dropout=0.0, attention_dropout=0.5)
    swin = SwinTransformerBlock(8, 2, [2, 2], [0, 0], attention_dropout=0.5, stochastic_depth_prob=0.5)
    for part, shape in ((block, (6, 3, 8)), (swin, (6, 4, 4, 8))):
        model = nn.Sequential(part, nn.Linear(8, 2)).train()
        values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        assert not torch.equal(part(values), part(values))
        tl.freeze(model, names="0").train()
        assert torch.equal(part(values), part(values))


@pytest.mark.parametrize("spectral", [nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm])
def test_spectral_norm_keeps_its_vectors_where_frozen(spectral):
    model = nn.Sequential(spectral(nn.Linear(4, 4)), nn.Linear(4, 2))
    tl.freeze(model, names="0").train()
    before = copy_state(model)
    model(torch.ones(3, 4)).sum().backward()
    assert same_bits(before, copy_state(model))


def test_tied_weights_are_found_by_either_name():
    model = nn.ModuleDict({"first": nn.Linear(4, 4), "second": nn.Linear(4, 4)})
    model["second"].weight = model["first"].weight
    tl.freeze(model, names="second.weight")
    assert not model["first"].weight.requires_grad
    assert model["first"].bias.requires_grad


@pytest.mark.slow
def test_a_compiled_model_and_a_moving_average_stay_frozen():
    model = tl.freeze(make_tiny_backbone(), up_to="stem")
    average = torch.optim.swa_utils.AveragedModel(model, use_buffers=True)
    before = {name: value for name, value in copy_state(model).items() if name.startswith("body.stem")}
    compiled = torch.compile(model, backend="eager")
    for _ in range(2):
        compiled.train()
        compiled(make_batch()).sum().backward()
        torch.optim.SGD([value for value in model.parameters() if value.requires_grad], lr=0.1).step()
        average.update_parameters(model)
    train_a_step(average)
    for state in (copy_state(model), copy_state(average.module)):
        assert same_bits(before, {name: value for name, value in state.items() if name.startswith("body.stem")})


def test_what_does_not_exist_is_answered_and_nothing_is_frozen():
    model = make_tiny_backbone()
    with pytest.raises(ValueError, match=r"stage: 'stagee1' is not a stage of tiny.*nearest: 'stage1'"):
        tl.freeze(model, up_to="stagee1")
    with pytest.raises(ValueError, match=r"names: 'body\.stam' matches no module or parameter; nearest: 'body.stem'"):
        tl.freeze(model, names=["body.stem.0", "body.stam"])
    with pytest.raises(ValueError, match=r"norm: 'eval' is unknown; known: 'frozen', 'statistics', 'trainable'"):
        tl.freeze(model, norm="eval")
    with pytest.raises(TypeError, match=r"up_to: a Mixed has no stages as a Backbone has; freeze it by names="):
        tl.freeze(make_mixed(), up_to="first")
    assert train_a_step(model) == set(model.state_dict())
