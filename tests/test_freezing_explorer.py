"""The freezing explorer and what it looks up: costs of stages against whole steps, words, picture, view."""

import copy
import itertools

import pytest
import torch
from made_marks import drop_ids, read_marks
from made_networks import copy_state, make_batch, make_tiny_backbone, same_bits
from matplotlib.figure import Figure
from torch import nn

import tlkit as tl
from tlkit.backbones.freezing.costs import (
    KINDS,
    NORM_MODES,
    FreezingChoice,
    FreezingCosts,
    PartStep,
    summarise_freezing,
)
from tlkit.backbones.freezing.measurement import measure_freezing
from tlkit.cpu.convolutions import QuickConvolutions
from tlkit.plots.freezing import SIZE_INCHES, make_freezing_page
from tlkit.widgets import FreezingExplorer

N_CLASSES = 5
STAGES = ("stem", "stage1", "stage2")


def run_whole_step(backbone, batch, choice):
    """Run one step of a whole network; return (MiB kept for the backward pass, names that moved, n_trainable)."""
    torch.manual_seed(0)
    network = nn.ModuleDict({"backbone": copy.deepcopy(backbone), "head": nn.Linear(backbone.n_features, N_CLASSES)})
    network.train().to(memory_format=torch.channels_last)
    if choice.frozen:
        tl.freeze(network, names=[f"backbone.body.{stage}" for stage in choice.frozen], norm=choice.norm)
    before, kept = copy_state(network), {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), QuickConvolutions():
        scores = network["head"](network["backbone"](batch.contiguous(memory_format=torch.channels_last)))
        loss = nn.functional.cross_entropy(scores, torch.arange(len(batch)))
    own = {value.untyped_storage().data_ptr() for value in (*network.parameters(), *network.buffers())}
    n_bytes = sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in own)
    values = [value for value in network.parameters() if value.requires_grad]
    loss.backward()
    torch.optim.AdamW(values).step()
    after = network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    return n_bytes / 2**20, moved, sum(value.numel() for value in values)


def name_kinds(backbone, moved):
    """Return {kind: {stage: whether it moved}} of the names of what moved in a whole step."""
    norms = {name for name, module in backbone.named_modules() if isinstance(module, nn.BatchNorm2d)}
    parameters = dict(backbone.named_parameters())
    found = {kind: {} for kind in KINDS}
    for name in backbone.state_dict():
        kind = "norm statistics" if name not in parameters else "weights"
        if name in parameters and name.rpartition(".")[0] in norms:
            kind = "norm weights"
        stage = name.split(".")[1]
        found[kind][stage] = found[kind].get(stage, False) or f"backbone.{name}" in moved
    return found


def every_choice(stages):
    subsets = [subset for size in range(len(stages) + 1) for subset in itertools.combinations(stages, size)]
    return [FreezingChoice(subset, norm) for subset in subsets for norm in NORM_MODES]


def check_against_whole_steps(backbone, batch, choices):
    costs = measure_freezing(backbone, batch, N_CLASSES, n_rounds=1)
    for choice in choices:
        summary = summarise_freezing(costs, choice)
        activations_mib, moved, n_trainable = run_whole_step(backbone, batch, choice)
        assert summary.memory_mib["activations"] == pytest.approx(activations_mib, rel=1e-9), choice
        assert summary.n_trainable == n_trainable
        looked_up = {
            kind: {part: mark for part, mark in zip(summary.parts, marks, strict=True) if mark is not None}
            for kind, marks in summary.moves.items()
        }
        assert looked_up["weights"].pop("head")
        assert looked_up == name_kinds(backbone, moved), choice


def test_every_choice_of_stages_costs_and_moves_what_a_whole_step_does():
    backbone = make_tiny_backbone()
    check_against_whole_steps(backbone, make_batch(), every_choice(backbone.stages))


@pytest.mark.slow
def test_a_real_network_costs_and_moves_what_a_whole_step_does():
    backbone = tl.load_backbone("efficientnet_lite0", weights=None, image_size_px=64)
    frozen = [backbone.stages[:3], backbone.stages[4:], backbone.stages]
    check_against_whole_steps(
        backbone, make_batch(2, 64), [FreezingChoice(part, norm) for part in frozen for norm in NORM_MODES]
    )


@pytest.fixture(scope="module")
def tiny_costs():
    return measure_freezing(make_tiny_backbone(), make_batch(), N_CLASSES, n_rounds=1)


def test_measuring_leaves_the_backbone_and_the_random_state_as_they_were():
    backbone = tl.freeze(make_tiny_backbone(), up_to="stem")
    before, state = copy_state(backbone), torch.random.get_rng_state()
    learns = [parameter.requires_grad for parameter in backbone.parameters()]
    costs = measure_freezing(backbone, make_batch(), N_CLASSES, n_rounds=1)
    assert same_bits(before, copy_state(backbone))
    assert learns == [parameter.requires_grad for parameter in backbone.parameters()]
    assert torch.equal(state, torch.random.get_rng_state())
    # What was frozen before doesn't count: the choice decides.
    assert summarise_freezing(costs, FreezingChoice()).n_trainable == costs.n_parameters


def test_parameters_are_counted_by_hand(tiny_costs):
    stem, stage1, head = 3 * 4 * 9 + 4 + 8, 4 * 6 * 9 + 6 + 12, 6 * N_CLASSES + N_CLASSES
    assert tiny_costs.n_parameters == stem + stage1 + head
    assert summarise_freezing(tiny_costs, FreezingChoice("stem")).n_trainable == stage1 + head
    assert summarise_freezing(tiny_costs, FreezingChoice("stem", "trainable")).n_trainable == stage1 + head + 8
    memory_mib = summarise_freezing(tiny_costs, FreezingChoice("stem")).memory_mib
    assert memory_mib["parameters"] == pytest.approx(4 * (stem + stage1 + head) / 2**20)
    assert memory_mib["gradients"] == pytest.approx(4 * (stage1 + head) / 2**20)
    assert memory_mib["optimizer state"] == pytest.approx(8 * (stage1 + head) / 2**20)


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match=r"batch: shape \(1, 3, 16, 16\), expected \(n, 3, height, width\)"):
        measure_freezing(make_tiny_backbone(), make_batch(1), N_CLASSES)


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="n_rounds: 0, expected a whole number of at least 1"):
        measure_freezing(make_tiny_backbone(), make_batch(), N_CLASSES, n_rounds=0)


def test_the_shortest_of_several_rounds_counts(monkeypatch):
    durations_s = itertools.count(9, -1)
    monkeypatch.setattr("tlkit.backbones.freezing.measurement._time_step", lambda *step: next(durations_s))
    costs = measure_freezing(make_tiny_backbone(), make_batch(), N_CLASSES, n_rounds=2)
    n_steps = len(costs.steps)
    assert [step.duration_s for step in costs.steps.values()] == [9 - n_steps - place for place in range(n_steps)]


def make_costs(durations_s=(0.1, 0.2, 0.4, 0.01)):
    """Return costs made up for three stages: what is frozen takes a tenth, what a stage keeps is 1, 2, 3 MiB."""
    steps = {}
    for place, part in enumerate((*STAGES, "head")):
        for treatment in ("learns", *NORM_MODES):
            for reached in (False, True):
                learns = treatment in ("learns", "trainable")
                moves = {
                    "weights": treatment == "learns",
                    "norm weights": learns if part != "head" else None,
                    "norm statistics": treatment != "frozen" if part != "head" else None,
                }
                n_trainable = {"learns": 1000, "trainable": 10}.get(treatment, 0)
                n_bytes = (place + 1) * 2**20 if learns or reached else 0
                share = 1 if treatment == "learns" else 0.1
                step = PartStep(n_trainable, moves, n_bytes, False, False, share * durations_s[place])
                steps[part, treatment, reached] = step
    parts = (*STAGES, "head")
    return FreezingCosts("made_up", STAGES, 8, 4000, dict.fromkeys(parts, 4000), dict.fromkeys(parts, 2**20), steps)


@pytest.fixture(scope="module")
def costs():
    return make_costs()


@pytest.fixture
def explorer(costs):
    return FreezingExplorer(costs)


def test_what_two_neighbours_keep_is_counted_once():
    costs = make_costs()
    kept = {key: PartStep(step.n_trainable, step.moves, 0, True, True, 0.1) for key, step in costs.steps.items()}
    both = FreezingCosts("made_up", STAGES, 8, 4000, costs.parameters_bytes, costs.input_bytes, kept)
    # The picture and the three outputs; what the head puts out enters nothing.
    assert summarise_freezing(both, FreezingChoice()).activations_mib == (2, 1, 1, 0)


def test_a_stage_behind_one_that_learns_is_reached(costs):
    assert summarise_freezing(costs, FreezingChoice(("stem", "stage1"))).activations_mib == (0, 0, 3, 4)
    assert summarise_freezing(costs, FreezingChoice(("stage1", "stage2"))).activations_mib == (1, 2, 3, 4)
    assert summarise_freezing(costs, FreezingChoice(STAGES)).activations_mib == (0, 0, 0, 4)
    assert summarise_freezing(costs, FreezingChoice(STAGES, "trainable")).activations_mib == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (
            FreezingChoice(),
            "4,000 of 4,000 parameters learn. A step with 8 pictures holds 10 MiB and takes 710 ms. No stage",
        ),
        (
            FreezingChoice(STAGES),
            "1,000 of 4,000 parameters learn. A step with 8 pictures holds 4 MiB and takes 80 ms. The frozen",
        ),
        (FreezingChoice("stem"), "The frozen stages don't change by a single bit."),
        (FreezingChoice("stem", "statistics"), "In the frozen stages norm statistics still move."),
        (FreezingChoice("stem", "trainable"), "In the frozen stages norm weights and norm statistics still move."),
    ],
)
def test_the_sentence_says_what_was_looked_up(costs, choice, said):
    assert said in summarise_freezing(costs, choice).sentence


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (FreezingChoice("stage3"), "frozen: 'stage3' is unknown; nearest: 'stage"),
        (FreezingChoice("stem", "statistic"), "norm: 'statistic' is unknown; nearest: 'statistics'"),
    ],
)
def test_a_choice_that_is_not_there_is_answered_with_the_nearest(costs, choice, said):
    with pytest.raises(ValueError, match=said):
        summarise_freezing(costs, choice)
    with pytest.raises(ValueError, match=said):
        FreezingExplorer(costs, frozen=choice.frozen, norm=choice.norm)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_the_drawing_says_what_moves_and_what_it_takes(costs):
    figure, summary = (
        Figure(figsize=SIZE_INCHES),
        summarise_freezing(costs, FreezingChoice(("stem", "stage1"), "statistics")),
    )
    make_freezing_page(summarise_freezing(costs, FreezingChoice())).draw(summary, figure)
    moves, activations, durations, memory = figure.axes
    words = texts(moves)
    assert words[:4] == ["stem\nfrozen", "stage1\nfrozen", "stage2\nlearns", "head\nlearns"]
    # Weights of four parts, then norm weights and statistics of three; a head has no norm layers.
    assert words[4:] == ["still"] * 2 + ["moves"] * 2 + ["still"] * 2 + ["moves"] + ["moves"] * 3
    assert texts(activations) == ["0.0", "0.0", "3.0", "4.0"]
    assert texts(durations) == ["10.0", "20.0", "400.0", "10.0"]
    assert texts(memory) == ["10", "7"]


def test_a_page_that_is_drawn_again_equals_one_drawn_afresh(costs):
    everything = summarise_freezing(costs, FreezingChoice())
    page = make_freezing_page(everything)
    for choice in (FreezingChoice(STAGES), FreezingChoice("stage1", "trainable"), FreezingChoice()):
        summary = summarise_freezing(costs, choice)
        assert drop_ids(page.render(summary)) == drop_ids(make_freezing_page(everything).render(summary))


def click(explorer, trait, value):
    explorer.chosen = explorer.chosen | {trait: explorer._controls[trait].find(value)}


def test_clicking_a_stage_thaws_and_freezes_it(explorer):
    words, drawing = explorer.status, explorer.drawing
    assert explorer.frozen == STAGES
    assert explorer.chosen["frozen"] == [0, 1, 2]
    click(explorer, "frozen", ("stem", "stage1"))
    assert explorer.frozen == ("stem", "stage1")
    assert explorer.status.startswith("2,000 of 4,000 parameters learn")
    assert explorer.drawing != drawing
    click(explorer, "frozen", STAGES)
    assert (explorer.frozen, explorer.status, explorer.drawing) == (STAGES, words, drawing)
    click(explorer, "norm", "trainable")
    assert explorer.norm == "trainable"
    assert explorer.status.startswith("1,030 of 4,000 parameters learn")
    assert explorer.error is None


def test_norm_layers_of_no_stage_are_no_choice(explorer):
    assert explorer.controls[1]["disabled"] == []
    click(explorer, "frozen", ())
    assert explorer.controls[1]["disabled"] == [1, 2]  # all but the present one
    click(explorer, "frozen", ("stem",))
    assert explorer.controls[1]["disabled"] == []


def test_a_stage_is_clicked_in_the_drawing_too_but_not_the_head(explorer):
    marks = read_marks(explorer.drawing)
    assert {name for name, _ in marks if name.startswith("stage:")} == {"stage:0", "stage:1", "stage:2"}
    assert ("stage:0", "weights of stem: still") in marks
    assert ("head:3", "weights of head: moves") in marks


def test_assigning_a_trait_moves_the_controls(explorer):
    with explorer.hold_trait_notifications():
        explorer.frozen, explorer.norm = ["stage2", "stem"], "statistics"
    assert explorer.frozen == ("stem", "stage2")
    assert explorer.chosen == {"frozen": [0, 2], "norm": 1}
    assert "norm statistics still move" in explorer.status


@pytest.mark.slow
def test_a_snapshot_of_another_choice_leaves_the_explorer_where_it_was(explorer):
    words, here = explorer.status, explorer.snapshot().data
    assert explorer.snapshot("stem", "statistics").data != here
    assert explorer.snapshot().data == here
    assert (explorer.status, explorer.frozen, explorer.norm) == (words, STAGES, "frozen")
    with pytest.raises(ValueError, match="frozen: 'stages' is unknown"):
        explorer.snapshot("stages")
