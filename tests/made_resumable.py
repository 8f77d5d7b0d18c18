"""A training with all that a checkpoint has to hold, run in a process that can be killed, each step written down.

`SERVER` is the code of a Python that imports torch once and forks a process for each attempt, since importing it takes
longer than training. Each line that it reads is an attempt (JSON), each that it writes is how that one ended.
"""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.training import batches, frozen_prefix
from tlkit.training.precise_batch_norm import finish_norm_statistics

SERVER = "from made_resumable import serve; serve()"
_WATCHED = ("tlkit/training/", "tlkit/features/", "tlkit/storage.py")


def pull_back(backbone, start):
    """A penalty whose sums depend on the layout of the tensors in memory."""
    return 1e-2 * sum(((value - start[name]) ** 2).sum() for name, value in backbone.named_parameters())


# Solved, with a frozen prefix, tuned with all that moves, a prefix that was tuned before, and a finish.
SCORE = tl.Strategy(
    [
        tl.Phase(["head"], None),
        tl.Phase(["stage1", "head"], 2, 1e-2, augment="crop"),
        tl.Phase(
            ["all", "head"], 4, {"all": 1e-2, "head": 3e-2}, augment="flip", penalty=pull_back, norm_statistics="moving"
        ),
        tl.Phase(["head"], 2, 1e-2),
    ],
    finish=finish_norm_statistics,
)

TUNE = tl.Phase(["all", "head"], 2, 1e-2, augment="flip", norm_statistics="moving")
SHORT = tl.Strategy([tl.Phase(["stage1", "head"], 2, 1e-2), TUNE], finish=finish_norm_statistics)


def make_images():
    """Return 20 pictures of three classes, of which a quarter is held out."""
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).few(7)


def train(folder, strategy=SCORE, images=None, backbone=None, **settings):
    """Train with a checkpoint after each step; returns the `Run`."""
    defaults = {"checkpoint_every_s": 0, "batch_size": 6, "validation": 0.25, "patience": 2}
    if any(phase.augment for phase in strategy.phases):
        defaults["n_views"] = 2
    return tl.transfer(
        make_tiny_backbone() if backbone is None else backbone,
        make_images() if images is None else images,
        strategy,
        checkpoint=folder,
        progress=False,
        **defaults | settings,
    )


@functools.cache
def load_encoder(name):
    """Return a text encoder; a process that is forked later has it already."""
    return tl.load_backbone(name, n_tokens=16)


def train_texts(folder, encoder, strategy, **settings):
    """Train an encoder by a strategy of the catalogue, two epochs per phase at most, with a checkpoint after a step."""
    known = tl.strategies.get(strategy)
    phases = [
        phase if phase.n_epochs is None else dataclasses.replace(phase, n_epochs=min(2, phase.n_epochs))
        for phase in known.phases
    ]
    takes_steps = any(phase.n_epochs for phase in phases)
    texts = tl.load_texts("emoji", domain="en").select(classes=["food", "travel"]).few(4)
    return tl.transfer(
        load_encoder(encoder),
        texts,
        dataclasses.replace(known, phases=phases),
        checkpoint=folder,
        progress=False,
        **({"batch_size": 4, "checkpoint_every_s": 0} if takes_steps else {}),
        **settings,
    )


def hash_run(run):
    """Return a hash of all that a run ended with: weights, buffers, head and history."""
    content = hashlib.sha256(json.dumps([run.history, run.completed]).encode())
    for tensors in (run.backbone.state_dict(), run.head.state_dict()):
        _add(content, tensors)
    return content.hexdigest()


class Notes:
    """A callback that notes each step: which it was, and a hash of everything that decides how it goes on.

    Arguments
    ---------
    write: callable
        Gets (phase, epoch, batch) and the hash, of weights, buffers and moments with their layout in memory, learning
        rates, best weights, random state, sums, and the pictures of the step.
    """

    def __init__(self, write):
        self.write = write

    def __call__(self, training):
        if training.computing:
            return
        sums = (training.total_loss, training.total_objective_loss, training.n_correct, training.history)
        sums += (training.mixed_precision, training.frozen_prefix)
        rates = [group["lr"] for group in training.optimizer.param_groups]
        content = hashlib.sha256(json.dumps([sums, rates, sorted(training.tuned_stages), _last_batch]).encode())
        _add(content, training.backbone.state_dict())
        _add(content, training.head.state_dict())
        for state in training.optimizer.state_dict()["state"].values():
            _add(content, state)
        for tensors in (training.start, training.parent, training.best.tensors if training.best else None):
            _add(content, tensors or {})
        _add(content, training.critic.state_dict() if training.critic else {})
        _add(content, training.draws.get_states())
        self.write((training.phase_index, training.epoch_index, training.batch_index), content.hexdigest())


def _add(content, tensors):
    for name, value in tensors.items():
        content.update(f"{name} {value.dtype} {tuple(value.shape)} {value.stride()}".encode())
        content.update(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy())


_last_batch = []


@contextlib.contextmanager
def watched_batches():
    """Note which pictures a step sees, for `Notes`."""
    real = {kind: kind.batch for kind in (batches.TrainingPictures, frozen_prefix.PrefixOutputs)}

    def watch(kind):
        def batch(self, indices, policy, epoch):
            _last_batch[:] = [len(self), policy, epoch, *map(int, indices)]
            return real[kind](self, indices, policy, epoch)

        return batch

    for kind in real:
        kind.batch = watch(kind)
    try:
        yield
    finally:
        for kind, method in real.items():
            kind.batch = method


class Killer:
    """Kills the own process at the so manyth line that runs, of the kit or one of its files, after some steps.

    Arguments
    ---------
    after_step: list of int or None
        (phase, epoch, batch); None: from the beginning on.
    file: str or None
        Name of a file.
    line: int
        0: never; the lines are counted.
    write: callable
        Gets the line, as "file:number function", before the end.
    """

    def __init__(self, after_step, file, line, write):
        self.after_step, self.file, self.line, self.write = after_step, file, line, write
        self.is_counting, self.counts = after_step is None, collections.Counter()

    def step(self, step):
        """Be told of a step; returns how many lines of each file ran since the one before, where none is to kill."""
        counts, self.counts = self.counts, self.counts if self.line else collections.Counter()
        self.is_counting |= self.after_step is not None and step >= tuple(self.after_step)
        return counts

    def watch(self, frame, event, argument):
        """To be given to `sys.settrace`."""
        path = frame.f_code.co_filename
        if not any(part in path for part in _WATCHED) or (self.file and not path.endswith(self.file)):
            return None
        if event == "line" and self.is_counting:
            self.counts[Path(path).name] += 1
            if self.counts.total() == self.line:
                self.write({"killed": f"{Path(path).name}:{frame.f_lineno} {frame.f_code.co_name}"})
                os.kill(os.getpid(), signal.SIGKILL)
        return self.watch


def serve():
    """Run attempts: read one a line, write how it ended a line. An attempt with "texts" trains an encoder on texts."""
    torch.set_num_threads(1)
    # Imports a training's modules. A head that is solved first would start OpenVINO, whose threads can't be forked.
    with tempfile.TemporaryDirectory() as folder:
        train(folder, tl.Strategy([*SCORE.phases[1:3], SCORE.phases[0]], finish=finish_norm_statistics))
    print("ready", flush=True)
    for text in sys.stdin:
        attempt = json.loads(text)
        if "texts" in attempt:
            load_encoder(attempt["texts"]["encoder"])
        process_id = os.fork()
        if process_id == 0:
            _run_attempt(attempt)
        if "after_s" in attempt:
            time.sleep(attempt["after_s"])
            os.kill(process_id, signal.SIGKILL)
        _, status = os.waitpid(process_id, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run_attempt(attempt):
    """Train as an attempt says, writing down each step and the end; leaves the process."""
    log = os.open(attempt["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(record):
        os.write(log, (json.dumps(record) + "\n").encode())

    killer = Killer(attempt.get("after_step"), attempt.get("file"), attempt.get("line", 0), write)

    def note(step, digest):
        write({"step": step, "hash": digest, "lines": killer.step(step)})

    if "n_bytes" in attempt:
        _tear_weights(attempt["n_bytes"])
    try:
        with watched_batches():
            sys.settrace(killer.watch if "line" in attempt else None)
            begin = functools.partial(train_texts, **attempt["texts"]) if "texts" in attempt else train
            run = begin(attempt["folder"], callbacks=[Notes(note)])
            sys.settrace(None)
        write({"end": hash_run(run), "lines": killer.step((99, 0, 0))})
    except BaseException as error:
        write({"error": repr(error)})
        os._exit(1)
    os._exit(0)


def _tear_weights(n_bytes):
    """Let the next file of weights be cut off after some bytes, and the process killed."""
    from tlkit.training import checkpoints

    real = checkpoints.save_file

    def torn(tensors, path):
        real(tensors, path)
        os.truncate(path, n_bytes)
        os.kill(os.getpid(), signal.SIGKILL)

    checkpoints.save_file = torn
