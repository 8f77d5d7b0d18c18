"""Checkpoints: a training's whole state on disk, so that one that was killed goes on and ends with the same bits."""

import hashlib
import json
import time
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from tlkit.storage import written_whole
from tlkit.strategies.early_stopping import Best, put_back, take_tensors

# The one before the newest is kept too, in case that the newest is damaged.
_N_KEPT = 2
_PLACE = ("phase_index", "epoch_index", "batch_index", "step", "total_loss", "n_right", "history", "autocast")


class Checkpoints:
    """The checkpoints of one run, in a folder of its own.

    Arguments
    ---------
    folder: str or Path
    every_s: float
        One is written after the first step that ends so long after the last was; 0: after every step.
    described: dict
        Plain values that say which run this is; another's checkpoints are refused.
    """

    def __init__(self, folder, every_s, described):
        self.folder, self.every_s = Path(folder), every_s
        self.described = json.loads(json.dumps(described))  # as it will be read
        self.number, self.last_s, self.before_s = 0, time.monotonic(), 0.0
        self.started_s = time.monotonic()

    @property
    def duration_s(self):
        """Time that the run has taken, in this process and in those before it."""
        return self.before_s + time.monotonic() - self.started_s

    def keep(self, training):
        """Write a checkpoint if it is time for one, or a phase has ended."""
        if training.optimizer is not None and time.monotonic() - self.last_s < self.every_s:
            return
        tensors, facts = _take_state(training)
        self.number += 1
        data = save({name: value.contiguous() for name, value in tensors.items()})
        facts |= {
            "run": self.described,
            "sha256": hashlib.sha256(data).hexdigest(),
            "duration_s": self.duration_s,
        }
        weights, description = self._paths(self.number)
        with written_whole(weights) as temporary:
            temporary.write_bytes(data)
        # Written last: a checkpoint is one where both are whole.
        with written_whole(description) as temporary:
            temporary.write_text(json.dumps(facts), encoding="utf-8")
        for number in self._numbers()[:-_N_KEPT]:
            for path in reversed(self._paths(number)):
                path.unlink(missing_ok=True)
        self.last_s = time.monotonic()

    def restore(self, training):
        """Put a training where the newest intact checkpoint was written; nothing where there is none.

        Raises ValueError where the folder holds another run.
        """
        numbers = self._numbers()
        self.number = max(numbers, default=0)
        for number in reversed(numbers):
            try:
                tensors, facts = self._read(number)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                warnings.warn(
                    f"checkpoint: {self._paths(number)[0]} is damaged ({error}); the one before it is taken, or the "
                    "run starts anew",
                    stacklevel=4,
                )
                continue
            self._check_run(facts["run"])
            self.before_s = facts["duration_s"]
            _put_state(training, tensors, facts)
            return

    def _read(self, number):
        weights, description = self._paths(number)
        facts = json.loads(description.read_text(encoding="utf-8"))
        data = weights.read_bytes()
        if hashlib.sha256(data).hexdigest() != facts["sha256"]:
            raise ValueError("its bytes are not those that were written")
        return load(data), facts

    def _check_run(self, found):
        differing = [name for name in self.described if found.get(name) != self.described[name]]
        if differing:
            name = differing[0]
            raise ValueError(
                f"checkpoint: {self.folder.absolute()} holds another run; its {', '.join(differing)} differ ({name} "
                f"there: {found.get(name)!r}, here: {self.described[name]!r}): take an empty folder, or the settings "
                "of that run"
            )

    def _paths(self, number):
        return tuple(self.folder / f"checkpoint-{number:08}.{suffix}" for suffix in ("safetensors", "json"))

    def _numbers(self):
        found = (path.stem.removeprefix("checkpoint-") for path in self.folder.glob("checkpoint-*.json"))
        return sorted(int(number) for number in found if number.isdecimal())


def _take_state(training):
    tensors = take_tensors(training.backbone, training.head)
    for part, values in (
        ("auxiliary", training.auxiliary.state_dict() if training.auxiliary else {}),
        ("start", training.start or {}),
        ("parent", training.parent or {}),
        ("best", (training.best.tensors or {}) if training.best else {}),
    ):
        tensors |= {f"{part}.{name}": value for name, value in values.items()}
    if training.optimizer is not None:
        for number, state in training.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors["random"] = torch.get_rng_state()
    facts = {name: getattr(training, name) for name in _PLACE}
    facts |= {"touched": sorted(training.touched), "inside_phase": training.optimizer is not None}
    if training.best and training.best.tensors:
        facts |= {"best_loss": training.best.loss, "best_epoch": training.best.epoch}
    return tensors, facts


def _put_state(training, tensors, facts):
    parts = {}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = value
    put_back(
        {name: value for name, value in tensors.items() if name.partition(".")[0] in ("backbone", "head")},
        training.backbone,
        training.head,
    )
    for name in _PLACE:
        setattr(training, name, facts[name])
    training.touched = set(facts["touched"])
    if training.auxiliary:
        training.auxiliary.load_state_dict(parts["auxiliary"])
    training.start, training.parent = parts.get("start"), parts.get("parent")
    if "best_loss" in facts:
        training.best = Best(facts["best_loss"], facts["best_epoch"], parts["best"])
    if facts["inside_phase"]:
        training.loaded_optimizer = {}
        for name, value in parts.get("optimizer", {}).items():
            number, _, key = name.partition(".")
            training.loaded_optimizer.setdefault(int(number), {})[key] = value
    torch.set_rng_state(parts["random"][""])
