"""`audit_freezing`: one training step on a copy, and a table of what it moved."""

import copy
import functools

import pandas as pd
import torch
from torch import nn

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.freezing.freeze import has_moving_statistics, is_norm

# Each value moves by this, up or down, wherever its gradient isn't zero: small gradients hide nothing, and there is no
# momentum or weight decay that would move what has none. Bernstein et al. 2018 train so (signSGD).
_STEP_SIZE = 1e-3


def audit_freezing(model, batch, labels=None, *, seed=0):
    """Train a copy of a model for one step and tell what moved, beside what `requires_grad` claims.

    `requires_grad=False` holds parameters. It holds neither the running statistics of batch norm, which follow every
    batch seen in training mode, nor dropout, which then goes on dropping in frozen parts. This table shows both:
    `audit[~audit.ok]` is what is wrong.

    Arguments
    ---------
    model: torch.nn.Module
        A `Backbone`, or any network; left as it is, to the bit. The copy is put into training mode, as the loop of a
        tutorial does. The loss is the cross-entropy of what the model returns, (n, k) scores or features; where it
        returns a tuple, as torchvision's Inception does in training mode, the sum over its members.
    batch: torch.Tensor
        (n, …), what the model takes; two pictures or more where the statistics of norm layers would move.
    labels: torch.Tensor, optional
        (n,) int64 below k; by default drawn at random, since which way parameters move doesn't matter here.
    seed: int
        Of the labels and of dropout.

    Returns a DataFrame, a row for each module that itself holds parameters or buffers, is a norm layer or drops:

    - stage: of a `Backbone`; else the name of the model's part that holds the module
    - module: its name, which `model.get_submodule` and `freeze(names=…)` take
    - kind: "norm", "dropout" or "other"
    - claimed: "frozen", "partly" or "trainable", by `requires_grad` of its parameters; where it has none, of those of
      the next larger module that has some
    - parameters_moved, buffers_moved: how many single values changed
    - mode: "train" or "eval", as it was in the forward pass; of what wasn't called, that of the module around it
    - ok: False where something frozen moved, where dropout is at work in a frozen part, and where something trainable
      had no gradient, because the outputs don't depend on it or something on the way cuts gradients off

    A layer frozen with `norm="statistics"` is not ok either: whether its statistics are meant to move, only you know.

    Raises TypeError for outputs without scores, ValueError for labels that don't fit, a single picture and outputs
    that are not finite.

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    >>> for parameter in model[:2].parameters():
    ...     parameter.requires_grad = False
    >>> audit = audit_freezing(model, torch.rand(2, 3, 4, 4))
    >>> audit.loc[~audit.ok, ["module", "kind", "claimed", "buffers_moved", "mode"]].values.tolist()
    [['1', 'norm', 'frozen', 9, 'train']]
    """
    trained = copy.deepcopy(model)
    trained.train()
    if len(batch) < 2 and has_moving_statistics(trained):
        raise ValueError("batch: one picture, of which norm layers can't take statistics; give two or more")
    devices = {tensor.device.index for tensor in model.parameters() if tensor.is_cuda}
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        torch.manual_seed(seed)
        modes = _train_a_step(trained, batch, labels)
    backbones = {name: part for name, part in model.named_modules() if isinstance(part, Backbone)}
    holders = {name: part for name, part in model.named_modules() if not name or any(True for _ in part.parameters())}
    others = dict(trained.named_modules())
    rows = [
        {"stage": _find_stage(name, backbones), "module": name}
        | _compare(module, others[name], _find_around(name, holders), _find_around(name, modes))
        for name, module in model.named_modules()
        if _has_own_state(module) or is_norm(module) or _drops(module)
    ]
    columns = ["stage", "module", "kind", "claimed", "parameters_moved", "buffers_moved", "mode", "ok"]
    return pd.DataFrame(rows, columns=columns)


def _train_a_step(model, batch, labels):
    """Train one step in place; return "train" or "eval" by the name of each module that was called."""
    modes = {}
    for name, module in model.named_modules():
        module.register_forward_hook(functools.partial(_note_mode, modes, name))
    outputs = model(batch)
    outputs = [value for value in (outputs if isinstance(outputs, tuple) else [outputs]) if value is not None]
    if not outputs or not all(isinstance(value, torch.Tensor) and value.ndim == 2 for value in outputs):
        kinds = ", ".join(
            f"a tensor {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
            for value in outputs
        )
        raise TypeError(
            f"model: returns {kinds or 'nothing'}, expected (n, k) scores or features, or a tuple of such; wrap it in "
            "a module that returns them"
        )
    n_columns = min(value.shape[1] for value in outputs)
    if not all(torch.isfinite(value).all() for value in outputs):
        raise ValueError("model: its outputs hold NaN or infinity; look for them in the batch and in the weights")
    if labels is None:
        labels = torch.randint(n_columns, (len(batch),))
    elif len(labels) != len(batch) or not ((labels >= 0) & (labels < n_columns)).all():
        raise ValueError(f"labels: expected {len(batch)} numbers from 0 to {n_columns - 1}, one for each picture")
    loss = sum(nn.functional.cross_entropy(value, labels.to(value.device)) for value in outputs)
    if loss.requires_grad:
        loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.add_(parameter.grad.sign(), alpha=-_STEP_SIZE)
    return modes


def _note_mode(modes, name, module, inputs, output):
    modes[name] = "train" if module.training else "eval"


def _compare(module, trained, holder, mode):
    """Return what a row says of a module, before and after the step; `holder` is the one whose parameters claim."""
    pairs = list(zip(module.parameters(recurse=False), trained.parameters(recurse=False), strict=True))
    moved = [_count_moved(before, after) for before, after in pairs]
    buffers = zip(module.buffers(recurse=False), trained.buffers(recurse=False), strict=True)
    buffers_moved = sum(_count_moved(before, after) for before, after in buffers)
    claimed = _claim(holder.parameters(recurse=not pairs))
    kind = "norm" if is_norm(module) else "dropout" if _drops(module) else "other"
    ok = all(
        after.grad is not None if before.requires_grad else not n_moved
        for (before, after), n_moved in zip(pairs, moved, strict=True)
    )
    if claimed == "frozen":
        ok = ok and not buffers_moved
    if _claim(holder.parameters()) == "frozen":
        ok = ok and not (_drops(module) and mode == "train")
    values = {"kind": kind, "claimed": claimed, "parameters_moved": sum(moved), "buffers_moved": buffers_moved}
    return values | {"mode": mode, "ok": ok}


def _count_moved(before, after):
    moved = before != after
    if moved.any():
        moved &= ~((before != before) & (after != after))  # what was and is NaN
    return int(moved.sum())


def _claim(parameters):
    claims = {parameter.requires_grad for parameter in parameters}
    return "partly" if len(claims) > 1 else "trainable" if claims == {True} else "frozen"


def _find_around(name, values):
    """Return the value of a module's name, or of the smallest module around it that has one."""
    while name not in values:
        name = name.rpartition(".")[0]
    return values[name]


def _find_stage(name, backbones):
    for backbone in backbones:
        if name.startswith(f"{backbone}." if backbone else ""):
            part, _, rest = name[len(backbone) :].removeprefix(".").partition(".")
            return rest.partition(".")[0] if part == "body" else part
    return name.partition(".")[0]


def _has_own_state(module):
    return any(True for _ in (*module.parameters(recurse=False), *module.buffers(recurse=False)))


def _drops(module):
    """Say whether a module drops at a rate above 0: dropout's and its like's own, attention's, a dense layer's.

    Some keep the rate for themselves and ask for the mode in their `forward`, without a layer that could be seen.
    """
    names = {name for name in vars(module) if "drop" in name}
    if type(module).__name__.startswith(("Dropout", "AlphaDropout", "FeatureAlphaDropout", "StochasticDepth")):
        names.add("p")
    rates = [vars(module)[name] for name in names & vars(module).keys()]
    return any(isinstance(rate, float) and rate > 0 for rate in rates)
