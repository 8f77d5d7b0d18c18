"""The whole state of a training between two steps, as tensors and plain values, and how one is put back into it."""

import torch

from tlkit.training.early_stopping import Best, put_back, take_tensors

_PLACE = (
    "phase_index",
    "epoch_index",
    "batch_index",
    "step",
    "total_loss",
    "total_objective_loss",
    "n_right",
    "history",
    "autocast",
    "n_trained",
)


def take_state(training):
    """Return (dict of str to tensor, dict of plain values that JSON can hold) of a `Training` between two steps.

    The tensors are its own, not copies.
    """
    tensors = take_tensors(training.backbone, training.head)
    for part, values in (
        ("auxiliary", training.auxiliary.state_dict() if training.auxiliary else {}),
        ("critic", training.critic.state_dict() if training.critic else {}),
        ("start", training.start or {}),
        ("parent", training.parent or {}),
        ("best", (training.best.tensors or {}) if training.best else {}),
    ):
        tensors |= {f"{part}.{name}": value for name, value in values.items()}
    if training.optimizer is not None:
        for number, state in training.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors["random"] = torch.get_rng_state()
    if training.device.type == "cuda":
        tensors["random_cuda"] = torch.cuda.get_rng_state(training.device)
    facts = {name: getattr(training, name) for name in _PLACE}
    # A file sorts its tensors, and a penalty may sum up in the order that `start` has.
    facts |= {"names": list(tensors)}
    facts |= {"touched": sorted(training.touched), "inside_phase": training.optimizer is not None}
    if training.best and training.best.tensors:
        facts |= {"best_loss": training.best.loss, "best_epoch": training.best.epoch}
    return tensors, facts


def put_state(training, tensors, facts):
    """Put a `Training` that has not begun, of the same run, where `take_state` was called; the tensors are copied."""
    parts = {}
    for name in facts["names"]:
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = tensors[name]
    own = take_tensors(training.backbone, training.head)
    put_back({name: tensors[name] for name in own}, training.backbone, training.head)
    for name in _PLACE:
        setattr(training, name, facts[name])
    training.touched = set(facts["touched"])
    if training.auxiliary:
        training.auxiliary.load_state_dict(parts["auxiliary"])
    training.loaded_critic = parts.get("critic")
    # In the layout in memory of the parameters, which decides in which order sums are taken.
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
    torch.set_rng_state(parts["random"][""])
    if "random_cuda" in parts:
        torch.cuda.set_rng_state(parts["random_cuda"][""], training.device)


def _copy_as(own, value):
    return torch.empty_like(own).copy_(value)
