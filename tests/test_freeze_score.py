"""Freeze scores: against what the trainer does with each parameter, round trips, the Python text, costs, painting."""

import itertools

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_tiny_backbone, same_bits
from made_pictures import write_classes
from torch import nn

import tlkit as tl
from tlkit.backbones.freezing.costs import NORM_MODES, FreezingCosts, PartStep
from tlkit.backbones.freezing.freeze import NORM_LAYERS
from tlkit.evaluation.intervals import wilson_interval
from tlkit.strategies.strategy import adjust_phases
from tlkit.summaries.freeze_score import FreezeScore, Mark, make_score, make_strategy, write_python
from tlkit.summaries.freeze_score_trials import (
    MAX_EPOCHS,
    PaintedScore,
    ScoreTrials,
    list_paintable,
    make_painted_score,
    summarise_freeze_score,
)
from tlkit.training.optimizer import apply_phase

N_TRAIN = 40
# What `adjust` and keys of all kinds give, beside the catalogue.
OWN = {
    "narrow": tl.Strategy([tl.Phase(["stem", -1, "all"], 2, {"stem": 1e-3, -1: 2e-3, "all": 1e-4})]),
    "headless": tl.Strategy([tl.Phase(["all"], 1, 1e-4), tl.Phase(["stem"], 2, 1e-4, norm_statistics="moving")]),
    "kinds": tl.Strategy([tl.Phase(["norm", "bias", -2], 2, {"norm": 1e-2, "bias": 3e-3, -2: 1e-4}, augment="flip")]),
}


@pytest.fixture(scope="module")
def network():
    return tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tl.load_images(write_classes(tmp_path_factory.mktemp("images") / "pets", {"cat": 8, "dog": 9}))


@pytest.fixture(autouse=True)
def without_conversion(monkeypatch):
    """Converting a network for another engine takes longer here than all of the training."""
    monkeypatch.setattr("tlkit.features.extract.choose_engine", lambda engine, network=None: "torch")


def find(name):
    return OWN.get(name) or tl.strategies.get(name)


def list_rates(phases, backbone):
    """Return for each phase (epochs, {name of a parameter: learning rate}), by what the trainer itself does."""
    found = []
    for phase in phases:
        head, rates = nn.Linear(backbone.n_features, 2), {}
        if phase.n_epochs is not None:
            names = {id(value): name for name, value in [*backbone.named_parameters(), *head.named_parameters()]}
            for rate, parameters in apply_phase(backbone, head, phase):
                rates |= {names[id(value)]: rate for value in parameters}
        found.append((phase.n_epochs, rates, phase.augment, phase.norm_statistics, phase.penalty))
    return found


@pytest.mark.parametrize("name", [*tl.strategies.names(), *OWN])
@pytest.mark.parametrize("kind", ["squeezenet", "tiny"])
def test_a_score_says_of_each_parameter_what_the_trainer_does(network, name, kind):
    if kind == "tiny" and name == "surgical_middle":
        pytest.skip("two stages have no middle")
    backbone = network if kind == "squeezenet" else make_tiny_backbone()
    strategy = adjust_phases(find(name), backbone, N_TRAIN)
    score, column = make_score(find(name), backbone, N_TRAIN), 0
    assert score.parts[: len(backbone.stages)] == backbone.stages
    norms = {
        f"{path}.{own}"
        for path, module in backbone.named_modules()
        if isinstance(module, NORM_LAYERS)
        for own, _ in module.named_parameters(recurse=False)
    }
    for n_epochs, expected, *_ in list_rates(strategy.phases, backbone):
        assert score.marks[column].solved == (n_epochs is None)
        for _ in range(n_epochs or 1):
            rates, found = dict(zip(score.parts, score.column(column), strict=True)), {}
            for path, _ in backbone.named_parameters():
                kinds = ["bias"] * path.endswith("bias") + ["norm"] * (path in norms)
                named = [rates[kind] for kind in kinds if rates.get(kind)]
                found[path] = named[0] if named else rates[path.split(".")[1]]
            found |= {"weight": rates["head"], "bias": rates["head"]}
            if {"norm", "bias"} <= set(score.parts):
                # Where both hold for a parameter, which of them wins is not said by the score.
                both = {path for path in norms if path.endswith("bias")}
                found = {path: rate for path, rate in found.items() if path not in both}
                expected = {path: rate for path, rate in expected.items() if path not in both}
            assert {path: rate for path, rate in found.items() if rate} == pytest.approx(expected)
            column += 1
    assert column == len(score.marks)


@pytest.mark.parametrize("name", [*tl.strategies.names(), *OWN])
def test_what_is_read_from_a_score_trains_the_same(network, name):
    strategy = adjust_phases(find(name), network, N_TRAIN)
    score = make_score(find(name), network, N_TRAIN)
    read = make_strategy(score)
    assert list_rates(read.phases, network) == list_rates(strategy.phases, network)
    assert (read.prepare, read.finish, read.name) == (strategy.prepare, strategy.finish, strategy.name)
    assert make_score(read, network, N_TRAIN) == score


@pytest.mark.parametrize("name", ["fine_tune", "lp_ft", "gradual", "l2_sp"])
def test_a_run_of_what_is_read_gives_the_same_bits(images, name):
    backbone = make_tiny_backbone()
    read = make_strategy(make_score(find(name), backbone, len(images)))
    given, again = (tl.transfer(backbone, images, strategy, progress=False) for strategy in (name, read))
    assert same_bits(copy_state(given.backbone), copy_state(again.backbone))
    assert same_bits(copy_state(given.head), copy_state(again.head))


def test_equal_neighbours_are_one_phase_and_what_does_nothing_is_left_out():
    rates = [[0, 1e-4, 1e-4, 0, 1e-4, 1e-4], [0, 0, 0, 0, 0, 0]]
    score = FreezeScore(("stem", "head"), rates, [Mark(solved=True), *[Mark()] * 4, Mark(augment="flip")])
    assert score.phases() == [[0], [1, 2, 4], [5]]
    assert score.n_epochs == 4
    phases = make_strategy(score).phases
    assert [(phase.train, phase.n_epochs, phase.augment) for phase in phases] == [
        (("head",), None, None),
        (("stem",), 3, None),
        (("stem",), 1, "flip"),
    ]
    with pytest.raises(ValueError, match="score: nothing learns in any epoch"):
        make_strategy(FreezeScore(("stem", "head"), [[0], [0]], [Mark()]))


@pytest.mark.parametrize("name", [*tl.strategies.names(), *OWN])
def test_the_python_that_is_written_makes_the_strategy(network, name):
    score = make_score(find(name), network, N_TRAIN)
    if score.prepare or score.finish or any(mark.penalty for mark in score.marks):
        with pytest.raises(ValueError, match=r"score: has (prepare|finish|penalty)"):
            write_python(score)
        return
    text, namespace = write_python(score), {}
    exec(text, namespace)
    assert namespace["strategy"] == make_strategy(score)
    assert max(map(len, text.splitlines())) <= 88


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"parts": ("head", "stem")}, ValueError, 'parts: .* expected the names of stages, each once, and "head"'),
        ({"parts": ("stem", "stem", "head")}, ValueError, "parts: "),
        ({"rates": [[1e-3, 0]]}, ValueError, r"rates: rows of \[2\], expected 2 rows, one per part, of 2 columns"),
        ({"rates": [[1e-3], [0]]}, ValueError, r"rates: rows of \[1, 1\]"),
        ({"rates": 5}, ValueError, r"rates: rows of \[\]"),
        ({"rates": [[1e-3, -1], [0, 0]]}, ValueError, "rates of stem: -1, expected a number of at least 0; 0 is"),
        ({"rates": [[1e-3, float("nan")], [0, 0]]}, ValueError, "rates of stem: nan"),
        ({"rates": [[1e-3, True], [0, 0]]}, TypeError, "rates of stem: True, expected a number"),
        ({"rates": [[1e-3, "x"], [0, 0]]}, TypeError, "rates of stem: 'x'"),
        ({"marks": [Mark(), Mark(solved=True)]}, ValueError, "rates: column 1 solves the head"),
    ],
)
def test_what_is_no_score_is_refused(changes, error, message):
    given = {"parts": ("stem", "head"), "rates": [[1e-3, 1e-3], [0, 0]], "marks": [Mark(), Mark()]}
    FreezeScore(**given)
    with pytest.raises(error, match=message):
        FreezeScore(**given | changes)


def make_costs(backbone, part=None, batch_size=8):
    """Return costs made up for a network: a step of one part takes a second, everything else none at all."""
    parts, steps = (*backbone.stages, "head"), {}
    for place, name in enumerate(parts):
        for treatment, reached in itertools.product(("learns", *NORM_MODES), (False, True)):
            learns = treatment == "learns"
            n_bytes = 2**20 if learns or reached else 0
            duration_s = float(name == part)
            steps[name, treatment, reached] = PartStep(10**place * learns, {}, n_bytes, False, False, duration_s)
    moves = dict.fromkeys(("weights", "norm weights", "norm statistics"))
    steps = {key: step._replace(moves=moves) for key, step in steps.items()}
    n_parameters = sum(10**place for place in range(len(parts)))
    sizes = {name: 4 * 10**place for place, name in enumerate(parts)}
    return FreezingCosts(
        "made up", backbone.stages, batch_size, n_parameters, sizes, dict.fromkeys(parts, 2**20), steps
    )


@pytest.mark.parametrize(
    ("place", "phases"),
    list(
        enumerate(
            [
                [tl.Phase(["head"], 3, 1e-3)],
                [tl.Phase(["stage1"], 3, 1e-3)],
                [tl.Phase(["head"], 2, 1e-3), tl.Phase(["stage1", "head"], 2, 1e-3)],
                [tl.Phase(["stage1", "head"], 2, 1e-3), tl.Phase(["head"], 2, 1e-3), tl.Phase(["stage1"], 1, 1e-3)],
                [tl.Phase(["stem"], 1, 1e-3), tl.Phase(["stage1"], 2, 1e-3), tl.Phase(["stage1"], 2, 1e-4)],
                [tl.Phase(["all"], 1, 1e-3), tl.Phase(["head"], 2, 1e-3), tl.Phase(["all"], 1, 1e-4)],
                [tl.Phase([key], 1, 1e-4) for key in ("all", "head", "all", "head")],
                [tl.Phase(["stage1"], 2, 1e-3, augment="flip")],
            ]
        )
    ),
)
def test_the_estimate_counts_as_often_as_pictures_run_through_a_stage(place, phases, images, monkeypatch):
    images = images[:16]  # whole batches, which no engine fills up
    # Of its own weights, so that nothing of it is in the cache.
    backbone = make_tiny_backbone(seed=1000 + place)
    strategy, n_rows = tl.Strategy(phases), dict.fromkeys(backbone.stages, 0)

    real = torch.nn.Sequential.forward

    def count(self, batch):
        # Not when only shapes are computed, nor when an engine is tried on two pictures of noise. Hooks would be
        # simpler, but nothing that a network with hooks gives is kept.
        if hasattr(self, "stage") and batch.device.type != "meta" and len(batch) > 2:
            n_rows[self.stage] += len(batch)
        return real(self, batch)

    monkeypatch.setattr(torch.nn.Sequential, "forward", count)
    estimated = {}
    for stage in backbone.stages:
        estimated[stage] = summarise_freeze_score(
            make_score(strategy, backbone, len(images)), make_costs(backbone, stage), len(images)
        ).duration_s
        backbone.body[stage].stage = stage
    tl.transfer(backbone, images, strategy, progress=False)
    assert estimated == {stage: pytest.approx(rows / 8) for stage, rows in n_rows.items()}


def test_a_front_that_takes_too_much_memory_is_run_in_each_epoch():
    backbone = make_tiny_backbone()
    score = make_score(tl.Strategy([tl.Phase(["stage1"], 3, 1e-3)]), backbone, N_TRAIN)
    costs = make_costs(backbone, "stem")
    # Five batches whose outputs take 1 MiB each.
    assert summarise_freeze_score(score, costs, N_TRAIN, frozen_prefix_mib=5).duration_s == 5
    assert summarise_freeze_score(score, costs, N_TRAIN, frozen_prefix_mib=4.9).duration_s == 15


def test_parameters_and_memory_are_those_of_the_dearest_phase():
    backbone = make_tiny_backbone()
    costs = make_costs(backbone)
    rates = [[0, 0, 0, 1e-3], [0, 1e-3, 0, 0], [0, 1e-3, 1e-3, 0]]
    marks = [Mark(solved=True), Mark(), Mark(), Mark()]
    score = FreezeScore(("stem", "stage1", "head"), rates, marks)
    summary = summarise_freeze_score(score, costs, 16)
    # stage1 and the head: 10 and 100 parameters; with them gradients and AdamW's two, 1 MiB each of activations, and
    # the stem's output for two batches.
    assert summary.n_trainable == 110
    assert summary.memory_mib == pytest.approx((111 + 3 * 110) * 4 / 2**20 + 2 + 2)
    assert summary.n_steps == 6
    # The stem alone, with the head frozen: one parameter, activations of all three parts.
    alone = summarise_freeze_score(FreezeScore(score.parts, [[1e-3], [0], [0]], [Mark()]), costs, 16)
    assert alone.n_trainable == 1
    assert alone.memory_mib == pytest.approx((111 + 3) * 4 / 2**20 + 3)


def test_the_costs_are_said():
    backbone = make_tiny_backbone()
    costs = make_costs(backbone, "head")
    nothing = FreezeScore(("stem", "stage1", "head"), [[0], [0], [0]], [Mark()])
    assert summarise_freeze_score(nothing, costs, 16).sentence.startswith("Nothing learns yet")
    score = make_score(tl.Strategy([tl.Phase(["head"], 3, 1e-3)]), backbone, 16)
    assert summarise_freeze_score(score, costs, 16).sentence == (
        "100 of 111 parameters learn at once. A step with 8 pictures holds 1 MiB. 6 steps: at least 6.0 s for 16 "
        "pictures. The frozen stages up to stage1 are computed once."
    )
    probe = summarise_freeze_score(make_score(find("linear_probe"), backbone, 16), costs, 16)
    assert (probe.n_trainable, probe.n_steps, probe.memory_mib) == (100, 0, 0)
    assert probe.sentence.endswith("The frozen stages up to stage1 are computed once.")
    solved = "The frozen stages up to stage1 are computed once to solve the head"
    endings = {-1: ", and those up to stem for all epochs.", "all": "; epochs compute all stages."}
    for train, then in endings.items():
        both = make_score(tl.Strategy([tl.Phase(["head"], None), tl.Phase([train, "head"], 2, 1e-3)]), backbone, 16)
        assert summarise_freeze_score(both, costs, 16).sentence.endswith(solved + then)
    thawed = [tl.Phase(["head"], 2, 1e-3), tl.Phase(["all"], 1, 1e-3)]
    for phases, ending in (
        (thawed, "The frozen stages up to stage1 are computed once for the epochs that freeze them."),
        ([tl.Phase(["head"], None), *thawed], f"{solved}; some epochs compute all stages."),
    ):
        score = make_score(tl.Strategy(phases), backbone, 16)
        assert summarise_freeze_score(score, costs, 16).sentence.endswith(ending)
    with pytest.raises(ValueError, match="score: of stem, stage1, norm, head; the costs are of stem, stage1, head"):
        summarise_freeze_score(make_score(find("norm_only"), backbone, 16), costs, 16)


def test_what_can_be_painted_comes_back_as_it_was(network):
    found = list_paintable(network, N_TRAIN)
    assert {"linear_probe", "fine_tune", "lp_ft", "gradual", "discriminative", "surgical_first"} <= set(found)
    assert not {"from_scratch", "l2_sp", "bitfit", "norm_only", "wise_ft"} & set(found)
    for name, painting in found.items():
        read = make_strategy(painting.score())
        assert list_rates(read.phases, network) == list_rates(
            adjust_phases(find(name), network, N_TRAIN).phases, network
        )
        assert make_painted_score(painting.score(), network.stages) == painting
    assert found["linear_probe"].rates == ((0.0,),) * (len(network.stages) + 1)


def test_what_cannot_be_painted_is_refused(network):
    with pytest.raises(ValueError, match=r"score: of .*norm, head; expected the parts"):
        make_painted_score(make_score(find("norm_only"), network, N_TRAIN), network.stages)
    with pytest.raises(ValueError, match="only learning rates and a head that is solved first can be painted"):
        make_painted_score(make_score(find("l2_sp"), network, N_TRAIN), network.stages)
    for rates in ([[], []], 3, [[1e-3] * (MAX_EPOCHS + 1)] * 2):
        with pytest.raises(ValueError, match="columns, expected 1 to 12 epochs"):
            PaintedScore(("stem",), rates)
    with pytest.raises(TypeError, match="solves_head: 1"):
        PaintedScore(("stem",), [[1e-3], [0]], 1)


def test_trials_keep_what_scores_came_to(images):
    backbone, (train, test) = make_tiny_backbone(), images.split(test_fold=0)
    trials = ScoreTrials(backbone, train, test, make_costs(backbone, "head"), seed=3, batch_size=4)
    score = make_score(find("fine_tune"), backbone, len(train))
    run = trials.run("mine", score)
    direct = tl.transfer(backbone, train, find("fine_tune"), seed=3, batch_size=4, progress=False)
    assert same_bits(copy_state(run.backbone), copy_state(direct.backbone))
    (row,) = trials.table.to_dict("records")
    assert (row["score"], row["n_test"], row["n_trainable"]) == ("mine", len(test), 111)
    assert row["accuracy"] == direct.evaluate(test).accuracy
    assert (row["accuracy_low"], row["accuracy_high"]) == wilson_interval(round(row["accuracy"] * len(test)), len(test))
    assert (row["estimated_s"], row["duration_s"]) == (pytest.approx(6 * len(train) / 8), run.duration_s)
    ended = trials.run("ended", score, watch=lambda training: True)
    assert not ended.completed
    assert list(trials.results) == ["mine"]


def test_a_score_of_its_own_is_left_to_the_backbone_that_it_was_made_for():
    with pytest.raises(ValueError, match="'stage9' is not a stage of tiny"):
        make_score(tl.Strategy([tl.Phase(["stage9"], 1, 1e-3)]), make_tiny_backbone(), N_TRAIN)


def test_scores_are_compared_and_kept_by_value():
    made = [
        FreezeScore(("stem", "head"), rates, [Mark()]) for rates in ([[1e-3], [0]], np.array([[1e-3], [0]]).tolist())
    ]
    assert made[0] == made[1]
    assert len(set(made)) == 1
    assert torch.tensor(made[0].rates).shape == (2, 1)
