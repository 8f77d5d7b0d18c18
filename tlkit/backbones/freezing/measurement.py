"""Measuring training steps: each stage once, alone, in each way that it can be frozen or trained.

The cost of any choice of frozen stages is then a sum over its stages, so that no further step has to run.
"""

import copy
import itertools
import operator
import time

import torch
from torch import nn

import tlkit as tl
from tlkit.arguments import check_count
from tlkit.backbones.freezing.costs import KINDS, NORM_MODES, TRAINED, FreezingCosts, PartStep
from tlkit.backbones.freezing.freeze import freeze, is_norm, thaw
from tlkit.cpu.convolutions import QuickConvolutions
from tlkit.cpu.draws import Draws
from tlkit.cpu.threads import default_states
from tlkit.names import spell_stage
from tlkit.notices import show_progress


@default_states()
def measure_freezing(
    backbone: "tl.Backbone",
    batch: torch.Tensor,
    n_classes: int,
    *,
    n_rounds: int = 3,
    seed: int = 0,
    progress: bool = True,
) -> FreezingCosts:
    """Measure a training step of each stage, frozen or trained, alone; the cost of any choice of stages is their sum.

    Parameters
    ----------
    backbone : Backbone
        A network, which stays unchanged. Its head is new.
    batch : torch.Tensor
        Two or more pictures as the network takes them, (n, 3, height, width), or texts, (n, n_tokens, 2) int64.
    n_classes : int
        Number of classes of the head.
    n_rounds : int
        How often each step is timed. The shortest duration counts, since other programs may disturb a round.
    seed, progress : int and bool
        Seed of the head, the labels and dropout; whether to show a progress bar.

    Returns
    -------
    FreezingCosts
        For `FreezingExplorer`. `summarise(frozen, norm)` returns the cost of one choice: `n_trainable`, `memory_mib`
        by kind, and `durations_s` by part, without steps of the whole network such as loading pictures.

    Raises
    ------
    ValueError
        If the batch has another shape or a single picture.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> costs = measure_freezing(backbone, torch.zeros(2, 3, 32, 32), n_classes=5, n_rounds=1, progress=False)
    >>> costs.summarise(backbone.stages).n_trainable
    2565
    """
    takes_texts = backbone.recipe.noun == "text"
    if batch.ndim != (3 if takes_texts else 4) or len(batch) < 2:
        expected = "(n, n_tokens, 2)" if takes_texts else "(n, 3, height, width)"
        raise ValueError(f"batch: shape {tuple(batch.shape)}, expected {expected} with n of at least 2")
    n_rounds = check_count("n_rounds", n_rounds, 1)
    with Draws(seed):
        parts = _split(backbone, n_classes)
        batch = batch.to(next(parts["head"].parameters()).device)
        if not takes_texts:
            batch = batch.contiguous(memory_format=torch.channels_last)
        labels = torch.randint(n_classes, (len(batch),), device=batch.device)
        bar = show_progress(None, "steps of each stage", "round", progress, iterable=range(n_rounds))
        rounds = [_measure_parts(parts, batch, labels) for _ in bar]
    shortest = operator.attrgetter("duration_s")
    return FreezingCosts(
        name=backbone.name,
        stages=tuple(map(spell_stage, backbone.stages)),
        batch_size=len(batch),
        n_parameters=sum(value.numel() for part in parts.values() for value in part.parameters()),
        parameters_bytes={name: sum(value.nbytes for value in part.parameters()) for name, part in parts.items()},
        input_bytes=rounds[0][1],
        steps={key: min((steps[key] for steps, _ in rounds), key=shortest) for key in rounds[0][0]},
    )


def _split(backbone, n_classes):
    """Return {part: module} of a copy: its stages, and "head" with the tail."""
    copied = thaw(copy.deepcopy(backbone)).to(memory_format=torch.channels_last).eval()
    head = nn.Linear(backbone.n_features, n_classes, device=next(copied.parameters()).device)
    parts = {spell_stage(name): stage for name, stage in copied.body.items()}
    return parts | {"head": nn.Sequential(copied.tail, head)}


def _measure_parts(parts, batch, labels):
    """Return {(part, treatment, reached): PartStep} and {part: bytes of its input}."""
    steps, input_bytes = {}, {}
    for name, part in parts.items():
        input_bytes[name] = batch.untyped_storage().nbytes()
        is_head = name == "head"
        for treatment, reached in itertools.product((TRAINED,) if is_head else (TRAINED, *NORM_MODES), (False, True)):
            step = _measure(part, treatment, reached, batch, labels if is_head else None)
            steps[name, treatment, reached] = step
        with torch.no_grad():
            batch = part(batch)
    return steps, input_bytes


def _measure(part, treatment, reached, batch, labels):
    """Return the `PartStep` of a copy of a part; if it is reached, it passes the gradient on to its input."""
    part = copy.deepcopy(part).train()
    if treatment != TRAINED:
        freeze(part, norm=treatment)
    values = [value for value in part.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(values, fused=True) if values else None
    batch = batch.detach().requires_grad_(reached and batch.is_floating_point())  # tokens have no gradient
    before = {name: value.clone() for name, value in part.state_dict().items()}
    # autograd passes each tensor that it keeps for the backward pass to this hook. By their storages, parameters and
    # buffers are then subtracted, and the input and the output are counted apart, since neighbours share them.
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = _forward(part, batch, labels)
    for value in (*part.parameters(), *part.buffers()):
        kept.pop(value.untyped_storage().data_ptr(), None)
    pointers = [value.untyped_storage().data_ptr() for value in (batch, out)]
    keeps_input, keeps_output = (kept.pop(pointer, None) is not None for pointer in pointers)
    inside_bytes = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    kept.clear()
    _learn(out, optimizer)
    moves = _compare(part, before)
    return PartStep(
        n_trainable=sum(value.numel() for value in values),
        moves=moves,
        inside_bytes=inside_bytes,
        keeps_input=keeps_input,
        keeps_output=keeps_output,
        duration_s=_time_step(part, batch, labels, optimizer),
    )


def _forward(part, batch, labels):
    """Return the output of a part, or the head's loss if there are labels."""
    with QuickConvolutions():  # a training step uses the same convolutions
        out = part(batch)
    return out if labels is None else nn.functional.cross_entropy(out, labels)


def _learn(out, optimizer):
    """Run the backward pass and the optimizer's update, as far as there are any."""
    if out.requires_grad:
        out.backward(torch.ones_like(out))
    if optimizer is not None:
        optimizer.step()
        optimizer.zero_grad()


def _time_step(part, batch, labels, optimizer):
    """Return the duration of one step in seconds."""
    batch.grad = None
    _wait_for(batch.device)
    start = time.perf_counter()
    _learn(_forward(part, batch, labels), optimizer)
    _wait_for(batch.device)
    return time.perf_counter() - start


def _wait_for(device):
    """Wait until an accelerator has finished its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _compare(part, before):
    """Return {kind: whether a bit changed}, None for a kind that the part doesn't have."""
    found = dict.fromkeys(KINDS)
    for path, module in part.named_modules():
        own_kind = "norm weights" if is_norm(module) else "weights"
        kinds = dict.fromkeys(dict(module.named_parameters(recurse=False)), own_kind)
        kinds |= dict.fromkeys(dict(module.named_buffers(recurse=False)), "norm statistics")
        for name, kind in kinds.items():
            key = f"{path}.{name}" if path else name
            if key in before:
                found[kind] = bool(found[kind]) or not torch.equal(before[key], part.state_dict()[key])
    return found
