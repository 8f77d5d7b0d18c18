"""`audit_freezing`: one training step on a copy of a model, and a table of what moved.

The step is signed: each value moves by the same amount, up or down, if its gradient isn't zero (signSGD, Bernstein et
al. 2018, arXiv:1802.04434). So nothing can hide a movement, and no value moves without a gradient.
"""

import copy

import pandas as pd
import torch
from torch import nn

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.freezing.freeze import has_moving_statistics, is_norm
from tlkit.cpu.draws import Draws
from tlkit.cpu.threads import convolutions, default_states

_STEP_SIZE = 1e-3


@default_states()
def audit_freezing(
    model: nn.Module, batch: torch.Tensor, labels: torch.Tensor | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Train a copy of a model for one step and compare what moved with `requires_grad`.

    `requires_grad=False` freezes parameters, but neither the running statistics of batch norm, which follow every batch
    in training mode, nor dropout. The table shows both: `audit[~audit.ok]` lists the faults.

    Parameters
    ----------
    model : torch.nn.Module
        A `Backbone` or any network; it stays unchanged. The copy is put into training mode. The loss is the
        cross-entropy of the output, (n, k) scores or features; of a tuple, as of torchvision's Inception, the sum.
    batch : torch.Tensor
        Input of the model, (n, …); two pictures or more if statistics of norm layers would move.
    labels, seed : torch.Tensor, optional, and int
        (n,) int64, 0 to k - 1, by default random, since the step's direction doesn't matter; and the seed of draws.

    Returns
    -------
    pandas.DataFrame
        One row per module that holds parameters or buffers of its own, is a norm layer, or drops. Columns:

        - stage (str): stage of a `Backbone`; for other models, the top-level part that holds the module.
        - module (str): name for `model.get_submodule` and `freeze(names=…)`.
        - kind (str): "norm", "dropout" or "other".
        - claimed (str): "frozen", "partly" or "trainable", by `requires_grad` of the module's parameters; if it has
          none, by those of the smallest module around it that has some.
        - parameters_moved, buffers_moved (int): numbers of single values that changed.
        - mode (str): "train" or "eval" during the forward pass; that of the module around it if it wasn't called.
        - ok (bool): False if something frozen moved, dropout is active in it, or something trainable got no gradient.

    Raises
    ------
    TypeError, ValueError
        If the labels don't fit, norm layers get a single picture, or the outputs are not finite scores.

    Notes
    -----
    A layer frozen with `norm="statistics"` is not ok either, since the audit can't know that its statistics are meant
    to move.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    >>> for parameter in model[:2].parameters():
    ...     parameter.requires_grad = False
    >>> audit = audit_freezing(model, torch.rand(2, 3, 4, 4))
    >>> audit.loc[~audit.ok, ["module", "kind", "claimed", "buffers_moved", "mode"]].values.tolist()
    [['1', 'norm', 'frozen', 9, 'train']]
    """
    # Copies can be saved for the backward pass, also if the tensors were made in inference mode.
    batch, labels = batch.clone(), None if labels is None else labels.clone()
    trained = copy.deepcopy(model)
    trained.train()
    if len(batch) < 2 and has_moving_statistics(trained):
        raise ValueError("batch: one picture, but norm layers need two or more for their statistics")
    with Draws(seed):
        modes = _train_a_step(trained, batch, labels)
    backbones = {name: part for name, part in model.named_modules() if isinstance(part, Backbone)}
    holders = {name: part for name, part in model.named_modules() if not name or any(True for _ in part.parameters())}
    others = dict(trained.named_modules())
    rows = [
        {"stage": _find_stage(name, backbones), "module": name}
        | _compare(module, others[name], _find_around(name, holders), _find_around(name, modes))
        for name, module in model.named_modules()
        if is_norm(module) or _drops(module) or [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    ]
    columns = ["stage", "module", "kind", "claimed", "parameters_moved", "buffers_moved", "mode", "ok"]
    return pd.DataFrame(rows, columns=columns)


@convolutions.together()
def _train_a_step(model, batch, labels):
    """Train one step in place; return {name: "train" or "eval"} of each module that was called."""
    modes = {}
    for name, module in model.named_modules():
        module.register_forward_hook(
            lambda called, *_, name=name: modes.update({name: "train" if called.training else "eval"})
        )
    outputs = model(batch)
    outputs = [value for value in (outputs if isinstance(outputs, tuple) else [outputs]) if value is not None]
    if not outputs or not all(isinstance(value, torch.Tensor) and value.ndim == 2 for value in outputs):
        kinds = ", ".join(
            f"a tensor {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
            for value in outputs
        )
        expected = "expected (n, k) scores or features, or a tuple of such: wrap it in a module that returns them"
        raise TypeError(f"model: returns {kinds or 'nothing'}, {expected}")
    n_columns = min(value.shape[1] for value in outputs)
    if not all(torch.isfinite(value).all() for value in outputs):
        raise ValueError("model: its outputs contain NaN or infinity; look for them in the batch and in the weights")
    if labels is None:
        labels = torch.randint(n_columns, (len(batch),))
    elif len(labels) != len(batch) or not ((labels >= 0) & (labels < n_columns)).all():
        raise ValueError(f"labels: expected {len(batch)} numbers from 0 to {n_columns - 1}, one per picture")
    loss = sum(nn.functional.cross_entropy(value, labels.to(value.device)) for value in outputs)
    if loss.requires_grad:
        loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.add_(parameter.grad.sign(), alpha=-_STEP_SIZE)
    return modes


def _compare(module, trained, holder, mode):
    """Return the row of a module before and after the step; the parameters of `holder` decide what is claimed."""
    pairs = list(zip(module.parameters(recurse=False), trained.parameters(recurse=False), strict=True))
    moved = [_count_moved(before, after) for before, after in pairs]
    buffers = zip(module.buffers(recurse=False), trained.buffers(recurse=False), strict=True)
    buffers_moved = sum(_count_moved(before, after) for before, after in buffers)
    claimed = _claim(holder.parameters(recurse=not pairs))
    kind = "norm" if is_norm(module) else "dropout" if _drops(module) else "other"
    # Something trainable without a gradient: the outputs don't depend on it, or gradients are cut off on the way.
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
    """Return the number of values that differ; NaN equals NaN."""
    moved = before != after
    if moved.any():
        moved &= ~((before != before) & (after != after))
    return int(moved.sum())


def _claim(parameters):
    """Return "frozen", "partly" or "trainable"."""
    claims = {parameter.requires_grad for parameter in parameters}
    return "partly" if len(claims) > 1 else "trainable" if claims == {True} else "frozen"


def _find_around(name, values):
    """Return the value of a module's name, or of the smallest module around it that has one."""
    while name not in values:
        name = name.rpartition(".")[0]
    return values[name]


def _find_stage(name, backbones):
    """Return the stage of a module's name, or its top-level part outside of the backbones."""
    for backbone in backbones:
        if name.startswith(f"{backbone}." if backbone else ""):
            part, _, rest = name[len(backbone) :].removeprefix(".").partition(".")
            return rest.partition(".")[0] if part == "body" else part
    return name.partition(".")[0]


def _drops(module):
    """Return whether a module drops values at a rate above 0."""
    # Attention and some dense layers have no dropout layer: they keep a rate and check the mode in their `forward`.
    names = {name for name in vars(module) if "drop" in name}
    if type(module).__name__.startswith(("Dropout", "AlphaDropout", "FeatureAlphaDropout", "StochasticDepth")):
        names.add("p")
    rates = [vars(module)[name] for name in names & vars(module).keys()]
    return any(isinstance(rate, float) and rate > 0 for rate in rates)
