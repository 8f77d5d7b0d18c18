"""Frozen stages computed once: the same end as the plain way, each picture once, within the memory that it may take."""

import copy
import math
import signal

import numpy as np
import pytest
import torch
from made_axes import make_backbone_of_all_axes, make_backbone_of_all_kinds
from made_networks import copy_state, make_library_pair, make_tiny_backbone
from made_training import make_training

import tlkit as tl
from tlkit.backbones.networks import find_entry
from tlkit.features import extract as extract_module
from tlkit.training import frozen_prefix
from tlkit.training.batches import TrainingPictures
from tlkit.training.frozen_prefix import PLAIN, PrefixOutputs, list_views
from tlkit.training.phase_start import start_phase
from tlkit.training.precise_batch_norm import reinitialise

HEAD, LAST, LAST_TWO = tl.Phase(["head"], 2, 0.1), tl.Phase([-1, "head"], 2, 0.05), tl.Phase([-2, -1, "head"], 1, 0.05)
ALL = tl.Phase(["all"], 1, 0.05)
SCHEDULES = {
    "head": [HEAD],
    "last stage": [LAST],
    "last two": [LAST_TWO],
    "gradual": [HEAD, LAST, LAST_TWO],
    "trained before": [ALL, LAST],
    "narrower again": [LAST, HEAD],
    "statistics moved before": [tl.Phase(["all"], 1, 0.05, norm_statistics="moving"), LAST],
    "moving statistics": [tl.Phase([-1, "head"], 2, 0.05, norm_statistics="moving")],
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """An empty cache for each test."""
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).few(4)


@pytest.fixture
def n_drawn(monkeypatch):
    """A list that grows by (policy, view, index) with each picture that is drawn anew or cropped by the training."""
    drawn, real = [], TrainingPictures.square

    def square(self, index, policy, epoch):
        drawn.append((policy, self.view(epoch), int(index)))
        return real(self, index, policy, epoch)

    monkeypatch.setattr(TrainingPictures, "square", square)
    return drawn


def transfer(backbone, images, phases, *, prepare=None, **settings):
    # SGD: AdamW turns the last bit of a gradient near zero into a whole step.
    # A strategy that only solves its head takes no settings of steps.
    of_steps = {"optimizer": "sgd", "batch_size": 5} if any(phase.n_epochs for phase in phases) else {}
    settings = of_steps | {"progress": False} | settings
    return tl.transfer(backbone, images, tl.Strategy(phases, prepare=prepare), **settings)


def take_state(run):
    return copy_state(torch.nn.ModuleDict({"backbone": run.backbone, "head": run.head}))


def check_both_ways(backbone, images, phases, prefixes, **settings):
    """Train with and without computing once, and compare to how far training went; returns the first's run."""
    untrained = settings.get("prepare", lambda network, seed: network)(backbone, 0).state_dict()
    once, plain = (transfer(backbone, images, phases, frozen_prefix_mib=mib, **settings) for mib in (64, 0))
    assert [row["frozen_prefix"] for row in once.history] == prefixes
    assert [row["frozen_prefix"] for row in plain.history] == [None] * len(prefixes)
    states = take_state(once), take_state(plain)
    before = {f"backbone.{name}": value for name, value in untrained.items()}
    moved = difference = 0.0
    for name, value in states[1].items():
        start = before.get(name, torch.zeros_like(value))
        moved += ((value - start) ** 2).sum().item()
        difference += ((value - states[0][name]) ** 2).sum().item()
    assert moved > 0
    assert difference <= (1e-4**2) * moved, math.sqrt(difference / moved)
    for name in ("loss", "validation_loss") if settings.get("validation") else ("loss",):
        expected = [row[name] for row in plain.history]
        assert [row[name] for row in once.history] == pytest.approx(expected, rel=1e-4), name
    return once


def name_prefixes(backbone, phases):
    """The frozen prefix of each epoch, by hand: all stages before the first that learns."""
    prefixes = []
    for phase in phases:
        learning = [backbone.find_stage(key) for key in phase.train if key not in ("all", "head")]
        n_frozen = 0 if "all" in phase.train else min(learning, default=len(backbone.stages))
        prefixes += [backbone.stages[n_frozen - 1] if n_frozen else None] * phase.n_epochs
    return prefixes


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("make", [make_tiny_backbone, make_backbone_of_all_axes, make_backbone_of_all_kinds])
def test_the_end_is_that_of_the_plain_way(make, schedule, images):
    backbone, phases = make(), SCHEDULES[schedule]
    check_both_ways(backbone, images, phases, name_prefixes(backbone, phases))


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *(
            pytest.param(name, side, marks=pytest.mark.slow)
            for name, side in (
                ("resnet18", 32),
                ("efficientnet_lite0", 64),
                ("vgg11", 32),
                ("densenet121", 32),
                ("swin_t", 32),
            )
        ),
        pytest.param("vit_b_16", 224, marks=pytest.mark.exhaustive),
    ],
)
def test_the_end_is_that_of_the_plain_way_for_networks_of_the_libraries(name, side, images):
    if name == "efficientnet_lite0":
        backbone = tl.load_backbone(name, image_size_px=side)
    else:
        backbone, _, _ = make_library_pair(find_entry(name), side)
    phases = [tl.Phase(phase.train, 1, 0.01) for phase in (HEAD, LAST, LAST_TWO)]
    check_both_ways(backbone, images[::2], phases, name_prefixes(backbone, phases))


def test_adamw_comes_to_the_same_probabilities(images):
    backbone = make_tiny_backbone()
    once, plain = (
        transfer(backbone, images, [tl.Phase([-1, "head"], 3, 1e-3)], optimizer="adamw", frozen_prefix_mib=mib)
        for mib in (64, 0)
    )
    assert not np.allclose(once.predict(images), 1 / len(images.classes), atol=1e-2)
    assert np.allclose(once.predict(images), plain.predict(images), atol=1e-4)


@pytest.mark.parametrize(("kind", "stage"), [("norm", "biased"), ("bias", "bare")])
def test_the_prefix_ends_before_the_first_stage_with_parameters_of_the_trained_kind(kind, stage, images):
    phases = [tl.Phase([kind, "head"], 2, 0.05)]
    check_both_ways(make_backbone_of_all_kinds(), images, phases, [stage, stage])


def test_a_prepared_network_is_computed_with_its_own_weights_and_not_kept(images, own_cache):
    other = make_tiny_backbone(seed=5)

    def reseed(network, seed):
        return copy.deepcopy(other)

    check_both_ways(make_tiny_backbone(), images, [LAST], ["stem"] * 2, prepare=reseed)
    assert not list(own_cache.rglob("features/*"))


@pytest.mark.slow
def test_from_scratch_with_frozen_stages_equals_the_plain_way(images):
    backbone = tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32, seed=1)
    check_both_ways(backbone, images, [LAST], name_prefixes(backbone, [LAST]), prepare=reinitialise)


def test_what_a_phase_before_trained_is_computed_from_the_trained_weights_and_not_kept(images, own_cache):
    run = transfer(make_tiny_backbone(), images, [ALL, LAST])
    assert [row["frozen_prefix"] for row in run.history] == [None, "stem", "stem"]
    assert not list(own_cache.rglob("features/*"))


def test_held_out_pictures_go_through_the_same_prefix(images, n_drawn):
    once = check_both_ways(make_tiny_backbone(), images, [LAST, HEAD], ["stem"] * 2 + ["stage1"] * 2, validation=0.5)
    assert all("validation_loss" in row for row in once.history)
    n_drawn.clear()
    transfer(make_tiny_backbone(), images, [LAST, HEAD], validation=0.5)
    assert n_drawn == [], "no picture is cropped again for an epoch or its validation"


@pytest.mark.parametrize("policies", [("crop", "crop"), (None, "flip"), ("flip", None)])
def test_augmented_it_equals_the_plain_way_with_as_many_views(policies, images):
    phases = [tl.Phase([-1, "head"], 3, 0.05, augment=policy) for policy in policies]
    check_both_ways(make_tiny_backbone(), images, phases, ["stem"] * 6, n_views=2, validation=0.4)


def test_without_a_number_of_views_each_epoch_draws_new_ones_and_nothing_is_computed_once(images, n_drawn):
    run = transfer(make_tiny_backbone(), images, [tl.Phase([-1, "head"], 3, 0.05, augment="crop")])
    assert [row["frozen_prefix"] for row in run.history] == [None] * 3
    assert {view for _, view, _ in n_drawn} == {0, 1, 2}


def test_a_picture_is_computed_once_for_all_epochs_and_all_phases_with_that_prefix(images, n_preprocessed):
    other_rate = tl.Phase([-1, "head"], 2, 0.01)
    transfer(make_tiny_backbone(), images, [LAST, other_rate, HEAD, HEAD])
    assert len(n_preprocessed) == 2 * len(images), "once for each of the two prefixes"


def test_a_trained_prefix_is_computed_once_for_all_phases_in_turn_that_have_it(images, n_preprocessed):
    transfer(make_tiny_backbone(), images, [ALL, LAST, LAST, LAST])
    assert len(n_preprocessed) == len(images)
    n_preprocessed.clear()
    transfer(make_tiny_backbone(), images, [ALL, LAST, ALL, LAST])
    assert len(n_preprocessed) == 2 * len(images), "what was trained in between is computed anew"


def test_every_view_is_computed_once_and_only_those_that_are_seen(images, n_drawn):
    flipped = tl.Phase([-1, "head"], 5, 0.05, augment="flip")
    transfer(make_tiny_backbone(), images, [flipped, flipped], n_views=3)
    assert sorted(n_drawn) == [("flip", view, index) for view in range(3) for index in range(len(images))]
    n_drawn.clear()
    transfer(make_tiny_backbone(), images, [tl.Phase([-1, "head"], 2, 0.05, augment="flip")], n_views=30)
    assert sorted(n_drawn) == [("flip", view, index) for view in range(2) for index in range(len(images))]


def test_a_later_phase_takes_the_views_of_its_own_epochs(images, n_drawn):
    short = tl.Phase([-1, "head"], 1, 0.05, augment="flip")
    check_both_ways(make_tiny_backbone(), images, [short] * 3, ["stem"] * 3, n_views=4)
    n_drawn.clear()
    transfer(make_tiny_backbone(), images, [short] * 3, n_views=4)
    assert sorted(n_drawn) == [("flip", view, index) for view in range(3) for index in range(len(images))]


def test_views_are_listed_by_the_epochs_of_the_run(images):
    pictures = TrainingPictures(images, make_tiny_backbone().recipe, 0, n_views=3)
    assert list_views(pictures, "crop", range(4, 6)) == [("crop", 1), ("crop", 2)]
    assert list_views(pictures, "crop", range(9)) == [("crop", 0), ("crop", 1), ("crop", 2)]
    assert list_views(pictures, None, range(9)) == [PLAIN]
    pictures.n_views = None
    assert list_views(pictures, "crop", range(9)) == []


def test_other_runs_find_a_pretrained_prefix_on_the_disk_with_the_same_bits(images, n_preprocessed):
    first = transfer(make_tiny_backbone(), images, [LAST])  # it has dropout behind the prefix
    n_preprocessed.clear()
    second = transfer(make_tiny_backbone(), images, [LAST])
    assert n_preprocessed == []
    states = take_state(first), take_state(second)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    transfer(make_tiny_backbone(), images[:8], [LAST], seed=3)
    assert n_preprocessed == []


@pytest.mark.parametrize("phase", [LAST, tl.Phase([-1, "head"], 2, 0.05, augment="crop")])
def test_a_runs_random_state_is_where_it_was_whatever_computing_draws(phase, images, monkeypatch):
    real = frozen_prefix.open_engine

    def open_engine(*what):
        torch.rand(3)
        return real(*what)

    for module in (frozen_prefix, extract_module):
        monkeypatch.setattr(module, "open_engine", open_engine)
    training = make_training(
        make_tiny_backbone(), torch.nn.Linear(6, len(images.classes)), tl.Strategy([phase]), images, n_views=2
    )
    with training.draws:
        torch.rand(1)
    state = training.draws.get_states()["cpu"]
    start_phase(training)
    assert training.frozen_prefix == "stem"
    assert torch.equal(training.draws.get_states()["cpu"], state)


def test_training_leaves_what_was_computed_as_it_was(images):
    backbone = make_backbone_of_all_axes()
    assert backbone.body["tokens"][1].inplace, "the stage behind the cut changes its input"
    held = []

    def look(training):
        if not training.computing:
            held.append({view: values.copy() for view, values in training.inputs.views.items()})

    phase = tl.Phase(["tokens", "head"], 3, 0.05)
    make_training(
        backbone, torch.nn.Linear(5, len(images.classes)), tl.Strategy([phase]), images, callbacks=[look]
    ).run()
    assert len(held) == 6
    assert (held[0][PLAIN] < 0).any()
    assert all(np.array_equal(values[PLAIN], held[0][PLAIN]) for values in held)


@pytest.mark.parametrize(("augment", "n_sets"), [(None, 1), ("crop", 2)])
def test_memory_is_counted_to_the_byte_and_below_it_frozen_stages_run_in_each_epoch(augment, n_sets, images):
    backbone, phase = make_tiny_backbone(), tl.Phase([-1, "head"], 4, 0.05, augment=augment)
    n_bytes = (n_sets * len(images) + 3) * math.prod(backbone.infer_shape(16, "stem")) * 4
    held = []

    def look(training):
        sources = [part for part in (training.inputs, training.validation_inputs) if isinstance(part, PrefixOutputs)]
        held.append(sum(values.nbytes for source in sources for values in source.views.values()))

    for mib, expected in ((n_bytes / 2**20, "stem"), ((n_bytes - 1) / 2**20, None)):
        held.clear()
        training = make_training(
            backbone,
            torch.nn.Linear(6, len(images.classes)),
            tl.Strategy([phase]),
            images,
            n_views=2,
            validation_images=images[:3],
            frozen_prefix_mib=mib,
            callbacks=[look],
        )
        training.run()
        assert [row["frozen_prefix"] for row in training.history] == [expected] * 4
        assert max(held) == (n_bytes if expected else 0)


def test_views_that_a_later_phase_does_not_see_are_let_go(images):
    pictures = TrainingPictures(images, make_tiny_backbone().recipe, 0, n_views=2)
    source = PrefixOutputs(make_tiny_backbone(), 1, pictures, pretrained=True)
    source.compute([PLAIN, ("flip", 0)])
    flipped = source.views["flip", 0]
    source.compute([("flip", 0), ("flip", 1)])
    assert list(source.views) == [("flip", 0), ("flip", 1)]
    assert source.views["flip", 0] is flipped


@pytest.mark.parametrize(
    ("pretrained", "n_rows", "convert", "expected"),
    [
        (True, 12, False, "torch"),
        (True, 24, False, "openvino"),
        (False, 24, False, "torch"),
        (True, 12, True, "openvino"),
        (False, 24, True, "torch"),
    ],
)
def test_only_many_rows_of_a_pretrained_prefix_are_converted_or_wanted(
    pretrained, n_rows, convert, expected, images, monkeypatch
):
    asked = []

    def open_engine(engine, network, output, precision):
        asked.append(engine)
        raise StopIteration

    monkeypatch.setattr(frozen_prefix, "open_engine", open_engine)
    monkeypatch.setattr(frozen_prefix, "_WORTH_CONVERTING", 24)
    pictures = TrainingPictures(images, make_tiny_backbone().recipe, 0, n_views=2)
    source = PrefixOutputs(make_tiny_backbone(), 1, pictures, pretrained=pretrained, convert=convert)
    with pytest.raises(StopIteration):
        source.compute([("flip", number) for number in range(n_rows // len(images))])
    assert asked == [expected]


def test_views_of_another_engine_are_computed_again_as_a_resumed_run_would(images, monkeypatch):
    pictures = TrainingPictures(images, make_tiny_backbone().recipe, 0, n_views=2)
    source = PrefixOutputs(make_tiny_backbone(), 1, pictures, pretrained=True)
    source.compute([("flip", 0)])
    source.views["flip", 0] = None
    opened, real = [], frozen_prefix.open_engine

    def open_engine(engine, *what):
        opened.append(engine)
        return real("torch", *what)

    monkeypatch.setattr(frozen_prefix, "open_engine", open_engine)
    source.n_least = 24
    source.compute([("flip", 0), ("flip", 1)])
    assert opened == ["openvino"]
    assert source.views["flip", 0] is not None


@pytest.mark.parametrize("augment", [None, "flip"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(augment, images, tmp_path):
    phases = [tl.Phase([-1, "head"], 3, 0.05, augment=augment) for _ in range(2)]
    settings = {"n_views": 2} if augment else {}
    whole = transfer(make_tiny_backbone(), images, phases, **settings)

    def stop(training):
        return training.phase_index == 1 and training.step == 4 and not training.computing

    settings |= {"checkpoint": tmp_path / "run", "checkpoint_every_s": 0}
    stopped = transfer(make_tiny_backbone(), images, phases, callbacks=[stop], **settings)
    assert not stopped.completed
    resumed = transfer(make_tiny_backbone(), images, phases, **settings)
    states = take_state(whole), take_state(resumed)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert [row["loss"] for row in whole.history] == [row["loss"] for row in resumed.history]


@pytest.mark.parametrize("phase", [HEAD, tl.Phase(["head"], 2, 0.1, augment="flip"), tl.Phase(["head"], None)])
def test_a_callback_ends_a_run_while_frozen_stages_are_computed(phase, images, monkeypatch):
    monkeypatch.setattr(extract_module, "choose_engine", lambda engine, network=None: "torch")
    told = []

    def stop(training):
        told.append(training.computing)
        return len(told) == 1

    settings = {"n_views": 2} if phase.augment else {}
    run = transfer(make_tiny_backbone(), images, [phase], callbacks=[stop], **settings)
    assert told == [True], "it is asked after the first eight of twelve pictures"
    assert not run.completed
    assert run.history == []
    told.clear()
    transfer(make_tiny_backbone(), images, [LAST], callbacks=[lambda training: told.append(training.computing)])
    assert told == [True, True] + [False] * 6


def test_ctrl_c_while_frozen_stages_are_computed_keeps_what_was_computed(images, n_preprocessed):
    def interrupt(training):
        if training.computing:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="interrupted after 0 epochs"):
        run = transfer(make_tiny_backbone(), images, [HEAD], callbacks=[interrupt])
    assert not run.completed
    assert run.history == []
    n_preprocessed.clear()
    assert transfer(make_tiny_backbone(), images, [HEAD]).completed
    assert len(n_preprocessed) == len(images) - 8
