"""States that users set in torch and NumPy, and other threads: results don't depend on them."""

import contextlib
import copy
import random
import threading
import warnings

import numpy as np
import pytest
import torch
from made_networks import make_small_backbone
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

import tlkit as tl
from tlkit.backbones.backbone import hash_tensors
from tlkit.cpu.threads import Gate, convolutions, default_states, hide_warnings
from tlkit.heads.numerics import limit_threads
from tlkit.inspection import grad_cam, heat_maps, integrated_gradients
from tlkit.summaries.augmentation import augment_pictures
from tlkit.training.batches import TrainingPictures

STATES = {
    "no grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default device": lambda: torch.device("meta"),
    "NumPy's errors": lambda: np.errstate(all="raise"),
}


def read_states():
    return {
        "no grad": not torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "default device": torch.get_default_device().type,
        "NumPy's errors": np.geterr(),
    }


@contextlib.contextmanager
def default_dtype(dtype):
    """Set torch's default dtype within a block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("name", STATES)
def test_states_of_the_user_are_set_aside_and_put_back(name):
    undisturbed = default_states()(read_states)()
    with STATES[name]():
        before = read_states()
        assert before != undisturbed
        assert default_states()(read_states)() == undisturbed
        with pytest.raises(KeyError), default_states():
            raise KeyError
        assert read_states() == before


def test_another_precision_of_products_is_told():
    assert torch.get_float32_matmul_precision() == "highest"
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.warns(UserWarning, match="matmul_precision\\(\\) is 'medium', expected 'highest'"):
            default_states()(read_states)()
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_another_default_dtype_is_refused():
    with default_dtype(torch.float64):
        with pytest.raises(RuntimeError, match=r"get_default_dtype\(\) is torch.float64.*set_default_dtype"):
            default_states()(read_states)()
        assert torch.get_default_dtype() == torch.float64


def make_run(backbone, images, **settings):
    strategy = tl.Strategy([tl.Phase(["head"], 1, 1e-2), tl.Phase([-1, "head"], 1, 1e-3, augment=["crop", "mixup"])])
    return tl.transfer(backbone, images, strategy, progress=False, seed=3, **settings)


def read_bits(run):
    return hash_tensors(run.backbone.state_dict() | {f"head.{n}": v for n, v in run.head.state_dict().items()})


def make_dropping_backbone():
    backbone = make_small_backbone()
    backbone.body["stage3"].append(nn.Dropout(0.3))
    return backbone


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="photo").select(classes=["bird", "bug"]).few(3)


def fit_conv_head(backbone, images):
    """Return predictions of a convolutional head for the maps that it is fitted on."""
    maps = tl.extract_features(backbone, images, "torch", cache=False, progress=False, stage="stage3", pooled=False)
    return tl.fit_head(maps, "conv", n_epochs=2).predict(maps)


COMPUTATIONS = {
    "training": lambda backbone, images: read_bits(make_run(backbone, images)),
    "features": lambda backbone, images: tl.extract_features(
        backbone, images, "torch", cache=False, progress=False
    ).values.tobytes(),
    "cost": lambda backbone, images: backbone.cost(),
    "audit": lambda backbone, images: tl.audit_freezing(
        backbone, torch.ones(2, 3, 32, 32, device="cpu"), torch.tensor([0, 1], device="cpu")
    ).to_csv(),
    "augmented pictures": lambda backbone, images: [
        values.tobytes()
        for values in augment_pictures(TrainingPictures(images, backbone.recipe, 0), ["crop", "flip", "mixup"], 1)
    ],
    "convolutional head": lambda backbone, images: fit_conv_head(backbone, images).tobytes(),
    "random weights": lambda backbone, images: tl.load_backbone(
        "resnet18", weights=None, image_size_px=32, seed=4
    ).fingerprint(),
}


def test_random_weights_for_heat_maps_are_no_inference_tensors(images):
    run = make_run(make_small_backbone(), images)
    expected = tl.inspection.study_heat_maps(run, images[:2], depths=["head"], progress=False)
    with torch.inference_mode():
        found = tl.inspection.study_heat_maps(run, images[:2], depths=["head"], progress=False)
    assert all(np.array_equal(maps, expected.maps[method]) for method, maps in found.maps.items())


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", COMPUTATIONS)
def test_results_do_not_depend_on_the_states_of_the_user(images, name, state):
    backbone = make_dropping_backbone()
    expected = COMPUTATIONS[name](backbone, images)
    with STATES[state]():
        before = read_states()
        assert COMPUTATIONS[name](backbone, images) == expected
        assert read_states() == before


@pytest.mark.parametrize("name", ["training", "features", "cost", "audit"])
def test_computations_refuse_another_default_dtype(images, name):
    backbone = make_dropping_backbone()
    with default_dtype(torch.float64), pytest.raises(RuntimeError, match="default_dtype"):
        COMPUTATIONS[name](backbone, images)


# torch.export changes the last bits of convolutions in other threads, and may fail beside a step of an optimizer.
GATED = COMPUTATIONS | {
    "heat map": lambda backbone, images: grad_cam(make_run(backbone, images), images[:2], stage="stage2"),
    "integrated gradients": lambda backbone, images: integrated_gradients(
        make_run(backbone, images), images[:2], n_steps=2
    ),
    "study of heat maps": lambda backbone, images: tl.inspection.study_heat_maps(
        make_run(backbone, images), images[:2], depths=["head"], progress=False
    ),
    "cut of timm": lambda backbone, images: tl.load_backbone("timm:test_resnet", weights=None, image_size_px=64),
    "stages": lambda backbone, images: tl.inspection.compare_stages(backbone, backbone, images, n_permutations=0),
    "own network": lambda backbone, images: tl.Backbone.from_module(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), recipe=tl.backbones.make_recipe(16)
    ),
}


@pytest.mark.parametrize("name", sorted(GATED.keys() - {"cost", "augmented pictures", "random weights"}))
def test_networks_are_computed_while_none_is_converted(images, monkeypatch, name):
    seen, forward, step = [], nn.ReLU.forward, torch.optim.AdamW.step

    def watch_forward(module, batch):
        if not batch.is_meta:
            seen.append(convolutions._n_within)
        return forward(module, batch)

    def watch_step(*given):
        seen.append(convolutions._n_within)
        return step(*given)

    monkeypatch.setattr(nn.ReLU, "forward", watch_forward)
    monkeypatch.setattr(torch.optim.AdamW, "step", watch_step)
    GATED[name](make_dropping_backbone(), images)
    assert seen and min(seen) > 0


def test_foreign_draws_between_steps_change_nothing(images):
    backbone = make_dropping_backbone()
    expected = read_bits(make_run(backbone, images))
    seen = []

    def draw(training):
        seen.append(torch.get_rng_state())
        torch.rand(len(seen))
        seen.append(torch.get_rng_state())

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        seen.append(torch.get_rng_state())
        assert read_bits(make_run(backbone, images, callbacks=[draw])) == expected
        assert len(seen) > 3
        # The training didn't draw from torch's own state either.
        assert all(map(torch.equal, seen[::2], seen[1::2]))


def test_a_forward_pass_during_the_count_of_operations_is_right():
    backbone, batch = make_small_backbone(), torch.ones(2, 3, 32, 32)
    backbone.body["stage2"].train()
    modes = {name: module.training for name, module in backbone.named_modules()}
    with torch.no_grad():
        expected = copy.deepcopy(backbone)(batch)
    found, hooks = [], len(torch.nn.modules.module._global_forward_pre_hooks)

    def compute():
        with torch.no_grad():
            found.append((copy.deepcopy(backbone)(batch), {n: m.training for n, m in backbone.named_modules()}))

    def look(module, inputs):
        if inputs[0].is_meta:
            assert len(torch.nn.modules.module._global_forward_pre_hooks) == hooks
            thread = threading.Thread(target=compute)
            thread.start()
            thread.join()

    backbone.body["stage3"].register_forward_pre_hook(look)
    backbone.cost()
    assert len(found) == 1
    assert torch.equal(found[0][0], expected) and found[0][1] == modes


def test_a_heat_map_leaves_the_network_to_other_threads(images, monkeypatch):
    run = make_run(make_small_backbone(), images)
    run.backbone.train().requires_grad_(True)
    seen = []
    monkeypatch.setattr(heat_maps, "_choose_labels", lambda *given: seen.append(is_free(run)) or choose(*given))
    choose = lambda run, network, batch, label: torch.zeros(len(batch), dtype=torch.int64)  # noqa: E731
    grad_cam(run, images[:2], stage="stage2")
    integrated_gradients(run, images[:2], n_steps=2)
    assert seen == [True, True] and is_free(run)


def is_free(run):
    """Return whether a network is in training mode with gradients and without hooks, as the test left it."""
    modules = list(run.backbone.modules())
    return all(module.training and not module._forward_hooks for module in modules) and all(
        value.requires_grad for value in run.backbone.parameters()
    )


def test_the_threads_of_a_run_are_recorded(images):
    assert make_run(make_small_backbone(), images).n_threads == torch.get_num_threads()


def test_blocks_with_one_blas_thread_overlap():
    def count():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        before = count()
        first, second = limit_threads(np.zeros(3)), limit_threads(np.zeros(3))
        with first:
            second.__enter__()
        assert count() == {1}
        second.__exit__(None, None, None)
        assert count() == before


def test_hidden_warnings_are_hidden_in_their_thread_and_filters_set_meanwhile_stay():
    shown = []

    def warn():
        try:
            warnings.warn("shots: 3 wanted", stacklevel=2)
        except UserWarning as error:
            shown.append(error)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        n_filters = len(warnings.filters)
        with hide_warnings("shots: "), hide_warnings(None):
            warn()
            assert not shown
            thread = threading.Thread(target=warn)
            thread.start()
            thread.join()
            warnings.filterwarnings("ignore", message="set meanwhile")
        warn()
        assert len(shown) == 2
        warnings.warn("set meanwhile", stacklevel=2)
        assert len(warnings.filters) == n_filters + 1


def test_a_gate_lets_many_through_or_one_alone():
    gate, order = Gate(), []

    def enter_alone():
        with gate.alone():
            order.append("alone")

    with gate.together(), gate.together():
        thread = threading.Thread(target=enter_alone)
        thread.start()
        with gate.together():
            order.append("together")
        assert "alone" not in order
    thread.join(10)
    assert order == ["together", "alone"]


def interleave(images, n, seed):
    """Return the names of computations whose result differs if several threads compute at random."""
    backbone = make_dropping_backbone()
    run = make_run(backbone, images)
    computations = COMPUTATIONS | {
        "heat map": lambda backbone, images: grad_cam(run, images[:2], stage="stage2").tobytes(),
        "prediction": lambda backbone, images: run.predict(images).tobytes(),
        "head": lambda backbone, images: (
            tl.fit_head(tl.extract_features(backbone, images, "torch", progress=False))
            .predict(np.ones((1, backbone.n_features)))
            .tobytes()
        ),
        "plot": lambda backbone, images: draw_history(run),
    }
    expected = {name: compute(backbone, images) for name, compute in computations.items()}
    names, differing, ended = random.Random(seed).choices(list(computations), k=n), [], threading.Event()
    waiting = list(names)

    def work():
        with contextlib.suppress(IndexError):
            while True:
                name = waiting.pop()
                try:
                    if computations[name](backbone, images) != expected[name]:
                        differing.append(name)
                except Exception as error:
                    differing.append(f"{name}: {error!r}")

    def disturb():
        while not ended.wait(0.001):
            nn.functional.dropout(torch.ones(64), 0.5)
            torch.manual_seed(1)
            np.random.rand(3)
            torch.set_num_threads(torch.get_num_threads())

    with torch.random.fork_rng(devices=[]):
        disturber, threads = threading.Thread(target=disturb), [threading.Thread(target=work) for _ in range(3)]
        for thread in (disturber, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        ended.set()
        disturber.join()
    return differing


def draw_history(run):
    """Return the bytes of a figure of a run's history, drawn without pyplot."""
    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([row["loss"] for row in run.history])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return bytes(canvas.buffer_rgba())


def test_results_do_not_depend_on_other_threads(images):
    assert interleave(images, 12, seed=0) == []


@pytest.mark.slow
def test_results_do_not_depend_on_other_threads_in_200_interleavings(images):
    assert interleave(images, 200, seed=1) == []
