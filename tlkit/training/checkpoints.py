"""Checkpoints: the whole state of a training on disk, so that a killed one resumes and ends with the same bits."""

import contextlib
import hashlib
import importlib.metadata
import json
import shutil
import tempfile
import time
from pathlib import Path

import filelock
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tlkit import __version__
from tlkit.backbones.weights.hashes import compute_sha256
from tlkit.notices import warn
from tlkit.storage import PARTIAL_PREFIX, locked, written_whole
from tlkit.training.early_stopping import Best, put_back, take_tensors

# The newest and the one before it, in case the newest is damaged.
_N_KEPT = 2
# Other versions of these packages may compute other last bits.
_PACKAGES = ("torch", "torchvision", "openvino", "numpy", "pillow", "scikit-learn")


class Checkpoints:
    """The checkpoints of one run in a folder of its own, which it locks while it is entered as a context."""

    def __init__(self, folder, every_s, described):
        self.folder, self.every_s = Path(folder).expanduser().absolute(), every_s
        # Plain values that identify the run, as they will be read; checkpoints of another run are refused.
        self.described = json.loads(json.dumps(described | {"tlkit": __version__}))
        self.numbers = []  # of the checkpoints to keep: written by this training, or known to be intact
        self.before_s, self.started_s, self.last_s = 0.0, time.monotonic(), time.monotonic()
        self.could_write = True
        self._lock = locked(self.folder / "checkpoint.lock", timeout_s=0)

    def __enter__(self):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The system releases it when a process is killed.
            self._lock.__enter__()
        except filelock.Timeout:
            found = f"another training uses {self.folder} now"
            raise ValueError(f"checkpoint: {found}: wait until it ends, or take another folder") from None
        except OSError as error:
            reason = f"can't be used as a folder to write to ({error.strerror})"
            raise ValueError(f"checkpoint: {self.folder} {reason}: take another") from error
        self._tidy()
        return self

    def __exit__(self, *ended):
        self._lock.__exit__(*ended)

    def save_if_due(self, training):
        """Write a checkpoint if it is time for one or a phase has ended; warn once if the disk is full."""
        if training.optimizer is not None and time.monotonic() - self.last_s < self.every_s:
            return
        try:
            self._write(training)
        except (OSError, SafetensorError) as error:
            if self.could_write:
                warn(f"checkpoint: none could be written to {self.folder} ({error}); it is tried again later")
            self.could_write = False
            self._tidy()
        self.last_s = time.monotonic()

    def restore(self, training):
        """Put a training into the state of the newest intact checkpoint, if there is one."""
        found = self._list_numbers("json")
        for index, number in reversed(list(enumerate(found))):
            try:
                tensors, facts = self._read(number)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                warn(
                    f"checkpoint: {self._paths(number)[0]} is damaged ({error}); "
                    + ("the one before it is taken" if index else "the run begins anew")
                )
                continue
            if differences := _compare(facts["run"], self.described):
                found = f"{self.folder} holds another run, with other {'; '.join(differences)}"
                raise ValueError(f"checkpoint: {found}: take an empty folder, or the settings of that run")
            if differences := _compare(facts["conditions"], _describe_conditions(training)):
                warn(f"checkpoint: the run began with other {'; '.join(differences)}; its end may differ in last bits")
            put_state(training, tensors, facts)
            self.numbers, self.before_s = found[: index + 1], facts["duration_s"]
            return

    def _write(self, training):
        """Write a checkpoint."""
        tensors, facts = take_state(training)
        duration_s = self.before_s + time.monotonic() - self.started_s
        facts |= {"run": self.described, "conditions": _describe_conditions(training), "duration_s": duration_s}
        number = max(self._list_numbers("json"), default=0) + 1
        weights, description = self._paths(number)
        # save_file begins with a file of another name, which would stay if the process was killed.
        aside = tempfile.TemporaryDirectory(prefix=PARTIAL_PREFIX, dir=self.folder)
        with aside as place, written_whole(weights) as temporary:
            save_file(_lay_out(tensors), Path(place, "state"))
            Path(place, "state").replace(temporary)
            facts["weights_sha256"] = compute_sha256(temporary)
        # Written last, so that a checkpoint with a description is whole.
        with written_whole(description) as temporary:
            temporary.write_text(json.dumps(facts | {"sha256": hash_facts(facts)}), encoding="utf-8")
        self.numbers = [*self.numbers, number][-_N_KEPT:]
        self._tidy()

    def _tidy(self):
        """Remove damaged and older checkpoints once there is a new one, and files that killed writers left."""
        described = self._list_numbers("json")
        unwanted = set(described) - set(self.numbers) if self.numbers else set()
        paths = [path for number in sorted(unwanted) for path in reversed(self._paths(number))]
        paths += [self._paths(number)[0] for number in set(self._list_numbers("safetensors")) - set(described)]
        for path in (*paths, *self.folder.glob(f"{PARTIAL_PREFIX}*")):
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _read(self, number):
        """Return the (tensors, facts) of a checkpoint; an error if it is damaged."""
        weights, description = self._paths(number)
        facts = json.loads(description.read_text(encoding="utf-8"))
        if not isinstance(facts, dict):
            raise ValueError(f"{description.name} is no description")
        if facts.pop("sha256") != hash_facts(facts) or facts["weights_sha256"] != compute_sha256(weights):
            raise ValueError("its bytes are not those that were written")
        return load_file(weights), facts

    def _paths(self, number):
        """Return the paths of a checkpoint's weights and description."""
        return tuple(self.folder / f"checkpoint-{number:08}.{suffix}" for suffix in ("safetensors", "json"))

    def _list_numbers(self, suffix):
        """Return the numbers of the files with a suffix, in order."""
        found = (path.stem.removeprefix("checkpoint-") for path in self.folder.glob(f"checkpoint-*.{suffix}"))
        return sorted(int(number) for number in found if number.isdecimal())


def _describe_conditions(training):
    """Return the conditions that change only the last bits of a run."""
    versions = dict.fromkeys(_PACKAGES)
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    processor = {"processor": torch.backends.cpu.get_cpu_capability(), "n_threads": torch.get_num_threads()}
    return versions | processor | {"device": str(training.device)}


def _compare(found, wanted):
    """Return the differences of two dicts, for example ["strategy.phases.0.n_epochs (8 there, 4 here)"]."""
    differences = []
    for name in sorted(found.keys() | wanted.keys()):
        there, here = found.get(name), wanted.get(name)
        if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
            there, here = dict(enumerate(there)), dict(enumerate(here))
        if isinstance(there, dict) and isinstance(here, dict):
            differences += [f"{name}.{difference}" for difference in _compare(there, here)]
        elif there != here:
            differences.append(f"{name} ({_shorten(there)} there, {_shorten(here)} here)")
    return differences


def _shorten(value):
    """Return the text of a value in at most 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def hash_facts(facts):
    """Return the SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _lay_out(tensors):
    """Return tensors in a form that files can hold: contiguous, none sharing memory with another."""
    addresses, laid_out = set(), {}
    for name, value in tensors.items():
        value = value.detach().contiguous()
        address = value.untyped_storage().data_ptr()
        laid_out[name] = value.clone() if address in addresses else value
        addresses.add(address)
    return laid_out


_PLAIN_ATTRIBUTES = (
    *("phase_index", "epoch_index", "batch_index", "step"),
    *("total_loss", "total_objective_loss", "n_correct", "history", "mixed_precision", "n_trained"),
)


def take_state(training):
    """Return a `Training` between two steps as ({name: tensor}, {name: plain value for JSON}); nothing is copied."""
    tensors = take_tensors(training.backbone, training.head)
    for part, values in (
        ("critic", training.critic.state_dict() if training.critic else {}),
        ("start", training.start or {}),
        ("parent", training.parent or {}),
        ("best", (training.best.tensors or {}) if training.best else {}),
    ):
        tensors |= {f"{part}.{name}": value for name, value in values.items()}
    if training.optimizer is not None:
        for number, state in training.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    if training.pseudo_labels is not None:
        tensors["pseudo_labels"] = training.pseudo_labels
    tensors |= {f"random.{device}": state for device, state in training.draws.get_states().items()}
    facts = {name: getattr(training, name) for name in _PLAIN_ATTRIBUTES}
    # The order of the names is kept because files sort tensors, and a penalty may sum in the order of `start`.
    facts |= {"names": list(tensors)}
    facts |= {"tuned_stages": sorted(training.tuned_stages), "inside_phase": training.optimizer is not None}
    if training.best and training.best.tensors:
        facts |= {"best_loss": training.best.loss, "best_epoch": training.best.epoch}
    return tensors, facts


def put_state(training, tensors, facts):
    """Put a `Training` of the same run that has not begun into the state from `take_state`; tensors are copied."""
    parts = {}
    for name in facts["names"]:
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = tensors[name]
    own = take_tensors(training.backbone, training.head)
    put_back({name: tensors[name] for name in own}, training.backbone, training.head)
    for name in _PLAIN_ATTRIBUTES:
        setattr(training, name, facts[name])
    training.tuned_stages = set(facts["tuned_stages"])
    training.loaded_critic = parts.get("critic")
    if "pseudo_labels" in parts:
        training.pseudo_labels = parts["pseudo_labels"][""].to(training.device)
    # In the memory layout of the parameters, which decides the order of sums.
    if "start" in parts:
        training.start = {name: _copy_as(own[f"backbone.{name}"], value) for name, value in parts["start"].items()}
    if "parent" in parts:
        training.parent = {name: _copy_as(own[name], value) for name, value in parts["parent"].items()}
    if "best_loss" in facts:
        best = {name: _copy_as(own[name], value) for name, value in parts["best"].items()}
        training.best = Best(facts["best_loss"], facts["best_epoch"], best)
    if facts["inside_phase"]:
        training.loaded_optimizer = {}
        for name, value in parts.get("optimizer", {}).items():
            number, _, key = name.partition(".")
            training.loaded_optimizer.setdefault(int(number), {})[key] = value
    training.draws.set_states(parts.get("random", {}))


def _copy_as(own, value):
    """Return a copy of a tensor in the memory layout of another."""
    return torch.empty_like(own).copy_(value)
