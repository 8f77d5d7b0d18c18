"""Checkpoints: what is kept, what is refused, what a damaged file or a full disk does, and that the end is the same."""

import copy
import dataclasses
import errno
import importlib.metadata
import json
import random
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch
from made_networks import make_tiny_backbone
from made_pythons import other_python
from made_resumable import SHORT, TUNE, Notes, hash_run, make_images, pull_back, train, watched_batches

import tlkit as tl
from tlkit.adaptation.trained_objectives import Dann
from tlkit.training import checkpoints, phase_start
from tlkit.training.batches import TrainingPictures
from tlkit.training.checkpoints import Checkpoints
from tlkit.training.precise_batch_norm import finish_norm_statistics


class Killed(BaseException):
    """Ends a training as nothing but a kill does."""


@pytest.fixture(scope="module")
def images():
    return make_images()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def run_noted(folder, strategy, n_steps=None, **settings):
    """Train; returns ({step: hash}, hash of the end), the second None where it was killed after so many steps."""
    steps = {}

    def note(step, digest):
        steps[step] = digest

    def kill(training):
        if len(steps) == n_steps:
            raise Killed

    with watched_batches():
        try:
            run = train(folder, strategy, callbacks=[Notes(note), kill], **settings)
        except Killed:
            return steps, None
    return steps, hash_run(run)


def kill_after(folder, n_steps, strategy=SHORT, **settings):
    assert run_noted(folder, strategy, n_steps, **settings)[1] is None


def mark_most_slow(cases, *quick):
    """Return the parameters of a test whose cases are much alike: few of them are enough for a quick run."""
    return [pytest.param(cases[name], id=name, marks=[pytest.mark.slow] * (name not in quick)) for name in cases]


@pytest.fixture(scope="module")
def undisturbed(images):
    """({step: hash}, hash of the end) of the short training."""
    return run_noted(None, SHORT, images=images)


def reinitialise_here(backbone, seed):
    return make_tiny_backbone(seed + 7)


ADAPT = tl.Phase(["stage1", "head"], 2, 1e-2, augment="flip", objective=Dann(1.0, n_hidden=4))
SIAMESE = tl.adaptation.SimSiam(n_outputs=8, n_hidden=4)
PRETRAIN = tl.Phase(["stage1"], 2, 1e-2, augment="crop", objective=SIAMESE, norm_statistics="moving")
OPTIONS = {
    "plain": {},
    "sgd": {"optimizer": "sgd", "max_grad_norm": 0.5, "micro_batch_size": 4},
    "balanced": {"balance": "sampling", "label_smoothing": 0.1, "validation": 0.0, "patience": None},
    "weighted": {"balance": "weights", "weight_decay": 0.1, "n_views": None},
    "no frozen prefix": {"frozen_prefix_mib": 0},
    "penalty": {"strategy": tl.Strategy([tl.Phase(["all", "head"], 3, 1e-2, penalty=pull_back)])},
    "prepared": {"strategy": tl.Strategy([TUNE, tl.Phase(["head"], None)], prepare=reinitialise_here)},
    "prefix that was tuned": {"strategy": tl.Strategy([tl.Phase(["all"], 1, 1e-2), tl.Phase(["head"], 1, 1e-2)])},
    "adapting": {"strategy": tl.Strategy([ADAPT, TUNE, ADAPT]), "target": make_images()[:13]},
    "pretraining": {"strategy": tl.Strategy([PRETRAIN, TUNE]), "n_views": 3},
    "pretraining on others": {"strategy": tl.Strategy([PRETRAIN]), "target": make_images()[:13], "n_views": None},
}


@pytest.mark.parametrize("options", mark_most_slow(OPTIONS, "sgd", "adapting"))
def test_gone_on_with_it_ends_with_the_same_bits(options, folder, images):
    options = {"strategy": SHORT, "images": images} | options
    expected, end = run_noted(folder / "undisturbed", **options)
    seen = {}
    for n_steps in (1, 3, 2, 2):  # gone on with at the beginning, within an epoch, and behind the last step of one
        steps, ended = run_noted(folder / "killed", n_steps=n_steps, **options)
        seen |= steps
        assert ended is None
    steps, ended = run_noted(folder / "killed", **options)
    assert seen | steps == expected
    assert ended == end


def test_it_goes_on_behind_the_last_step_of_an_epoch(folder, images, undisturbed):
    steps, end = undisturbed
    kill_after(folder, 4, images=images)  # with the checkpoint after three, the last of the epoch
    left, ended = run_noted(folder, SHORT, images=images)
    assert list(left) == list(steps)[3:]
    assert ended == end


def test_the_choice_of_the_arithmetic_stays(folder, images, monkeypatch):
    answers = iter([True, True, True, False, True, False])
    monkeypatch.setattr(phase_start, "is_bfloat16_faster", lambda *_: next(answers))
    settings = {"images": images, "mixed_precision": True}
    _, end = run_noted(folder / "undisturbed", SHORT, **settings)
    kill_after(folder / "killed", 2, **settings)
    # The first phase doesn't ask again; the second does.
    next(answers)
    assert run_noted(folder / "killed", SHORT, **settings)[1] == end


def test_a_finished_run_is_given_again_without_a_step(folder, images):
    _, end = run_noted(folder, SHORT, images=images)
    (newest,) = sorted(folder.glob("*.json"))[1:]
    duration_s = json.loads(newest.read_text())["duration_s"]
    for _ in range(2):
        before_s = time.perf_counter()
        run = train(folder, SHORT, images, callbacks=[pytest.fail])
        assert hash_run(run) == end
        assert duration_s <= run.duration_s <= duration_s + time.perf_counter() - before_s


def test_the_time_of_all_processes_is_added_up(folder, images, monkeypatch):
    clock = iter(range(0, 10**6, 10))
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: next(clock))
    kill_after(folder, 3, images=images)
    durations_s = [json.loads(path.read_text())["duration_s"] for path in sorted(folder.glob("*.json"))]
    kill_after(folder, 3, images=images)
    durations_s += [json.loads(path.read_text())["duration_s"] for path in sorted(folder.glob("*.json"))]
    assert durations_s == sorted(durations_s)
    assert durations_s[2] > durations_s[1] > durations_s[0] > 0


def cut(n_bytes):
    return lambda path: path.write_bytes(path.read_bytes()[:n_bytes])


def flip(place):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return damage


def another_digit(path):
    text = path.read_text()
    assert '"batch_index": 1' in text
    path.write_text(text.replace('"batch_index": 1', '"batch_index": 2'))


DAMAGES = {
    "weights gone": ("safetensors", lambda path: path.unlink()),
    **{f"weights cut after {n} bytes": ("safetensors", cut(n)) for n in (0, 4, 300, -1)},
    **{f"weights flipped at {place}": ("safetensors", flip(place)) for place in (0, 40, -1)},
    **{f"description cut after {n} bytes": ("json", cut(n)) for n in (0, 1, 200, -1)},
    "description flipped": ("json", flip(20)),
    "description of another batch": ("json", another_digit),
    "description is no text": ("json", lambda path: path.write_bytes(b"\xff\xfe\x00")),
    "description is a list": ("json", lambda path: path.write_text("[1]")),
    "description is empty": ("json", lambda path: path.write_text("{}")),
}


@pytest.mark.parametrize("damage", mark_most_slow(DAMAGES, "weights flipped at 40", "description cut after 200 bytes"))
def test_the_one_before_a_damaged_checkpoint_is_used(damage, folder, images, undisturbed):
    steps, end = undisturbed
    suffix, spoil = damage
    kill_after(folder, 5, images=images)
    newest = max(folder.glob("*.json"))
    spoil(newest.with_suffix(f".{suffix}"))
    with pytest.warns(UserWarning, match=rf"{newest.stem}.safetensors is damaged \(.*\); the one before it") as caught:
        left, ended = run_noted(folder, SHORT, images=images)
    assert ended == end
    assert list(left) == list(steps)[3:]
    assert caught[0].filename.endswith("made_resumable.py"), "the warning names the line that called transfer"
    assert len(list(folder.glob("*.json"))) == 2 and len(list(folder.iterdir())) == 5


def test_where_all_are_damaged_it_begins_anew(folder, images, undisturbed):
    steps, end = undisturbed
    kill_after(folder, 5, images=images)
    for path in folder.glob("*.safetensors"):
        cut(100)(path)
    with pytest.warns(UserWarning) as caught:
        left, ended = run_noted(folder, SHORT, images=images)
    assert [str(warning.message).rpartition("; ")[2] for warning in caught] == [
        "the one before it is taken",
        "the run begins anew",
    ]
    assert (left, ended) == (steps, end)


def test_a_damaged_checkpoint_is_never_the_one_that_is_kept(folder, images):
    kill_after(folder, 5, images=images)
    damaged = max(folder.glob("*.json"))
    cut(100)(damaged.with_suffix(".safetensors"))
    with pytest.warns(UserWarning, match="the one before it is taken"):
        kill_after(folder, 2, images=images)  # one new checkpoint
    assert not damaged.exists()
    assert len(list(folder.glob("*.json"))) == 2
    left, _ = run_noted(folder, SHORT, images=images)  # without a warning
    assert len(left) == 8


@pytest.mark.parametrize("fails", ["save_file", "written_whole"])
def test_a_full_disk_is_warned_of_once_and_the_training_goes_on(fails, folder, images, monkeypatch, undisturbed):
    steps, end = undisturbed
    kill_after(folder, 4, images=images)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    real, n_calls = getattr(checkpoints, fails), 0

    def full(*arguments):
        nonlocal n_calls
        n_calls += 1
        # Of the second the description alone: weights without one are no checkpoint.
        if fails == "written_whole" and n_calls == 1:
            return real(*arguments)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, fails, full)
        with pytest.warns(UserWarning, match=r"none could be written to .*run \(.*No space left") as caught:
            left, ended = run_noted(folder, SHORT, images=images)
    assert len(caught) == 1 and n_calls > 5
    assert (list(left), ended) == (list(steps)[3:], end)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    left, ended = run_noted(folder, SHORT, images=images)
    assert (list(left), ended) == (list(steps)[3:], end)


def test_it_is_tried_again_where_the_disk_was_full(folder, images, monkeypatch):
    real, n_calls = checkpoints.save_file, 0

    def full_for_a_while(*arguments):
        nonlocal n_calls
        n_calls += 1
        if n_calls in (2, 3):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(checkpoints, "save_file", full_for_a_while)
    with pytest.warns(UserWarning, match="none could be written"):
        kill_after(folder, 6, images=images)
    assert [path.stem for path in sorted(folder.glob("*.json"))] == ["checkpoint-00000002", "checkpoint-00000003"]


LIMITED = """
import resource, sys, warnings
from made_resumable import SHORT, hash_run, make_images, train
images, steps = make_images(), []
def limit(training):
    if not training.computing:
        steps.append(1)
    if len(steps) == 4:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(hash_run(train(sys.argv[1], SHORT, images, callbacks=[limit])))
print(len(steps), len(caught), caught[0].message)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_files_that_may_not_grow_do_not_end_the_training(folder, images, undisturbed):
    steps, end = undisturbed
    with other_python(LIMITED, folder) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    digest, rest = out.split("\n")[:2]
    assert digest == end
    assert rest.startswith(f"{len(steps)} 1 checkpoint: none could be written to {folder} (")
    assert len(list(folder.glob("*.json"))) == 2 and len(list(folder.iterdir())) == 5
    left, ended = run_noted(folder, SHORT, images=images)
    assert (list(left), ended) == (list(steps)[3:], end)


def change_strategy(n_epochs):
    return tl.Strategy([SHORT.phases[0], tl.Phase(["all", "head"], n_epochs, 1e-2)], finish=finish_norm_statistics)


OTHERS = {
    "seed": ({"seed": 1}, r"seed \(0 there, 1 here\)"),
    "batch size": ({"batch_size": 5}, r"strategy.batch_size \(6 there, 5 here\): take an empty folder"),
    "phase": (
        {"strategy": change_strategy(9)},
        r"strategy.phases.1.augment \('flip' there, None here\); strategy.phases.1.n_epochs \(2 there, 9 here\)",
    ),
    "phases": ({"strategy": tl.Strategy([TUNE])}, r"strategy.finish .*strategy.phases \(\[.*…"),
    "pictures": ({"images": make_images()[1:]}, r"held_out \(.*; pictures \("),
    "order of pictures": ({"images": make_images()[::-1]}, r"pictures \("),
    "weights": ({"backbone": make_tiny_backbone(1)}, r"backbone \('[0-9a-f]{36}… there, '[0-9a-f]{36}… here\):"),
    "validation": ({"validation": 0.5}, r"strategy.validation \(0.25 there, 0.5 here\)"),
    "prefix": ({"frozen_prefix_mib": 0}, r"strategy.frozen_prefix_mib \(1024.0 there, 0.0 here\)"),
}


@pytest.mark.parametrize(("other", "message"), OTHERS.values(), ids=OTHERS)
def test_another_run_is_refused_with_what_differs(other, message, folder, images):
    kill_after(folder, 2, images=images)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match=f"holds another run, with other .*{message}"):
        train(folder, **{"strategy": SHORT, "images": images} | other)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_another_target_is_refused_but_not_other_labels_of_it(folder, images):
    strategy, target = tl.Strategy([ADAPT]), images[:13]
    kill_after(folder, 2, strategy, images=images, target=target)
    with pytest.raises(ValueError, match=r"with other strategy\.target"):
        train(folder, strategy, images, target=images[:12])
    labels = np.roll(target.labels, 5)
    assert train(folder, strategy, images, target=dataclasses.replace(target, labels=labels)).completed


def test_another_prepared_network_is_refused(folder, images):
    networks = {number: make_tiny_backbone(number) for number in (1, 2)}

    def prepare(backbone, seed):
        return copy.deepcopy(networks[number])

    number = 1
    kill_after(folder, 2, tl.Strategy([TUNE], prepare=prepare), images=images)
    number = 2
    with pytest.raises(ValueError, match="with other prepared"):
        train(folder, tl.Strategy([TUNE], prepare=prepare), images)


def test_another_tlkit_is_refused_and_another_torch_warned_of(folder, images, monkeypatch, undisturbed):
    _, end = undisturbed
    kill_after(folder, 2, images=images)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "__version__", "99")
        with pytest.raises(ValueError, match=r"with other tlkit \('.*' there, '99' here\)"):
            train(folder, SHORT, images)
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99" if name == "torch" else real(name))
    with pytest.warns(UserWarning, match=r"other torch \('.*' there, '99' here\); its end may differ") as caught:
        _, ended = run_noted(folder, SHORT, images=images)
    assert len(caught) == 1 and caught[0].filename.endswith("made_resumable.py")
    assert ended == end


def test_what_killed_writers_left_goes_and_other_files_stay(folder, images):
    kill_after(folder, 3, images=images)
    for name in (".partial-1.safetensors", ".partial-2.json", "checkpoint-00000009.safetensors"):
        (folder / name).write_bytes(b"half")
    (folder / ".partial-3").mkdir()
    (folder / ".partial-3" / ".tmpGoKzUy").write_bytes(b"half")  # as safetensors names it
    for name in ("notes.txt", "weights.safetensors", "run.json"):
        (folder / name).write_bytes(b"mine")
    with Checkpoints(folder, 60, {}):
        names = {path.name for path in folder.iterdir()}
    assert names == {
        *(f"checkpoint-0000000{number}.{suffix}" for number in (1, 2) for suffix in ("json", "safetensors")),
        *("checkpoint.lock", "notes.txt", "weights.safetensors", "run.json"),
    }


def test_one_is_written_when_it_is_time_and_at_the_end_of_each_phase(folder, images, monkeypatch):
    written, real = [], Checkpoints._write

    def watch(self, training):
        written.append((training.phase_index, training.epoch_index, training.batch_index))
        real(self, training)

    monkeypatch.setattr(Checkpoints, "_write", watch)
    run_noted(folder / "seldom", SHORT, images=images, checkpoint_every_s=1000.0)
    assert written == [(1, 0, 0), (2, 0, 0)]
    now_s, written[:] = [0.0], []
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now_s[0])

    def tick(training):
        now_s[0] += 1 - training.computing

    train(folder / "sometimes", SHORT, images, checkpoint_every_s=4.0, callbacks=[tick])
    assert written == [(0, 1, 1), (1, 0, 0), (1, 1, 1), (2, 0, 0)]


def test_the_random_states_of_the_caller_stay(folder, images):
    def read_states():
        return torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())

    before = read_states()
    kill_after(folder, 3, images=images)
    assert read_states() == before
    torch.rand(5)
    before = read_states()
    run_noted(folder, SHORT, images=images)
    assert read_states() == before


def test_in_a_thread_it_goes_on_too(folder, images, undisturbed):
    steps, end = undisturbed
    results = []
    for n_steps in (4, None):
        thread = threading.Thread(
            target=lambda n_steps=n_steps: results.append(run_noted(folder, SHORT, n_steps, images=images))
        )
        thread.start()
        thread.join(60)
    (_, killed), (left, ended) = results
    assert killed is None
    assert (list(left), ended) == (list(steps)[3:], end)


def test_two_can_not_train_from_one_folder(folder, images):
    messages = []

    def second(training):
        with pytest.raises(ValueError) as caught:
            train(folder, SHORT, images)
        messages.append(str(caught.value))

    run = train(folder, SHORT, images, callbacks=[second])
    assert run.completed and messages
    assert messages[0] == f"checkpoint: another training uses {folder} now: wait until it ends, or take another folder"
    assert hash_run(run) == hash_run(train(folder, SHORT, images))


HOLDING = """
import pathlib, sys, time
import filelock
pathlib.Path(sys.argv[1]).mkdir()
with filelock.FileLock(sys.argv[1] + "/checkpoint.lock"):
    print("entered", flush=True)
    time.sleep(600)
"""


def test_a_process_that_holds_the_folder_is_waited_for_until_it_is_killed(folder, images):
    with other_python(HOLDING, folder) as process:
        assert process.stdout.readline() == "entered\n"
        with pytest.raises(ValueError, match="another training uses"):
            train(folder, SHORT, images)
        process.kill()
        process.communicate(timeout=60)
        assert train(folder, SHORT, images).completed


def test_a_folder_that_can_not_be_one_is_named(tmp_path, images):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match=r"checkpoint: .*file.* can't be used as a folder to write to \("):
            train(path, SHORT, images)


def test_ctrl_c_and_a_callback_that_ends_the_run_can_be_gone_on_from(folder, images, monkeypatch, undisturbed):
    steps, end = undisturbed
    real = TrainingPictures.batch

    def interrupted(self, indices, policy, epoch):
        if policy and epoch == 3:
            signal.raise_signal(signal.SIGINT)
        return real(self, indices, policy, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingPictures, "batch", interrupted)
        with pytest.warns(UserWarning, match="interrupted after 3 epochs"):
            run = train(folder, SHORT, images)
    assert not run.completed
    run = train(folder, SHORT, images, callbacks=[lambda training: training.batch_index == 2])
    assert not run.completed
    left, ended = run_noted(folder, SHORT, images=images)
    assert ended == end
    assert list(left.items()) == list(steps.items())[-len(left) :]
    assert len(left) == 2


class Tied(torch.nn.Module):
    """A layer under two names."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(6, 6, 1)
        self.second = torch.nn.Conv2d(6, 6, 1)
        self.second.weight = self.first.weight

    def forward(self, batch):
        return self.second(self.first(batch).relu())


def test_weights_that_share_their_memory_are_kept(folder, images):
    backbone = make_tiny_backbone()
    backbone.body["stage1"].append(Tied())
    settings = {"images": images, "backbone": backbone}
    _, end = run_noted(folder / "undisturbed", SHORT, **settings)
    kill_after(folder / "killed", 7, **settings)
    assert run_noted(folder / "killed", SHORT, **settings)[1] == end


def test_a_run_that_was_gone_on_with_can_be_trained_as_one_that_was_not(folder, images):
    def read_flags(run):
        modules = {**dict(run.backbone.named_modules()), "head": run.head}
        return {
            name: (module.training, len(module._forward_pre_hooks), [p.requires_grad for p in module.parameters()])
            for name, module in modules.items()
        }

    strategy = tl.Strategy([tl.Phase(["stage1", "head"], 1, 1e-2)])
    first, again = (train(folder, strategy, images) for _ in range(2))
    assert all(parameter.requires_grad for parameter in first.backbone.parameters())
    assert read_flags(first) == read_flags(again)
