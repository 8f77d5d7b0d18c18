"""The whole state of a training between two steps, as tensors and plain values, and how it is put back."""

import torch

from tlkit.training.early_stopping import Best, put_back, take_tensors

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
