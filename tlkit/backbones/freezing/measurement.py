"""What freezing saves and what still moves: each stage is measured once, alone, in every way it can be treated.

A step of the whole network is then looked up rather than run, so that any choice of stages can be answered at once.
"""

import copy
import itertools
import operator
import time

import torch
from torch import nn

from tlkit.arguments import check_count
from tlkit.backbones.freezing.costs import KINDS, LEARNS, NORM_MODES, FreezingCosts, PartStep
from tlkit.backbones.freezing.freeze import freeze, is_norm, thaw
from tlkit.cpu.convolutions import QuickConvolutions


def measure_freezing(backbone, batch, n_classes, *, n_rounds=3, seed=0):
    """Measure a training step of each stage, with AdamW, in each way that it can be frozen or trained.

    Arguments
    ---------
    backbone: Backbone
        Left as it was.
    batch: (n, 3, height, width) float32 tensor
        Prepared pictures, two or more: of one, norm layers can't take statistics.
    n_classes: int
        Outputs of the new head.
    n_rounds: int
        How often each step is timed. The shortest counts; rounds lie apart, so that what else the computer does for
        a moment spoils one of them only.
    seed: int
        Of the head, the labels and dropout.

    Returns `FreezingCosts`. The durations of the stages are measured one at a time and leave out what only a whole
    network has, such as the loading of pictures. Raises ValueError for a batch of other shape or of one,
    and for no rounds.
    """
    if batch.ndim != 4 or len(batch) < 2:
        raise ValueError(f"batch: shape {tuple(batch.shape)}, expected (n, 3, height, width) with n of at least 2")
    check_count("n_rounds", n_rounds, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = _split(backbone, n_classes)
        given = batch.to(next(parts["head"].parameters()).device).contiguous(memory_format=torch.channels_last)
        labels = torch.randint(n_classes, (len(batch),), device=given.device)
        rounds = [_measure_parts(parts, given, labels) for _ in range(n_rounds)]
    shortest = operator.attrgetter("duration_s")
    return FreezingCosts(
        name=backbone.name,
        stages=backbone.stages,
        batch_size=len(batch),
        n_parameters=sum(value.numel() for part in parts.values() for value in part.parameters()),
        parameters_bytes={name: sum(value.nbytes for value in part.parameters()) for name, part in parts.items()},
        input_bytes=rounds[0][1],
        steps={key: min((steps[key] for steps, _ in rounds), key=shortest) for key in rounds[0][0]},
    )


def _split(backbone, n_classes):
    copied = thaw(copy.deepcopy(backbone)).to(memory_format=torch.channels_last).eval()
    head = nn.Linear(backbone.n_features, n_classes, device=next(copied.parameters()).device)
    return dict(copied.body.items()) | {"head": nn.Sequential(copied.tail, head)}


def _measure_parts(parts, given, labels):
    """Return {(part, treatment, reached): PartStep} and {part: bytes of what enters it}."""
    steps, input_bytes = {}, {}
    for name, part in parts.items():
        input_bytes[name] = given.untyped_storage().nbytes()
        is_head = name == "head"
        for treatment, reached in itertools.product((LEARNS,) if is_head else (LEARNS, *NORM_MODES), (False, True)):
            step = _measure(part, treatment, reached, given, labels if is_head else None)
            steps[name, treatment, reached] = step
        with torch.no_grad():
            given = part(given)
    return steps, input_bytes


def _measure(part, treatment, reached, given, labels):
    part = copy.deepcopy(part).train()
    if treatment != LEARNS:
        freeze(part, norm=treatment)
    values = [value for value in part.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(values, fused=True) if values else None
    given = given.detach().requires_grad_(reached)
    before = {name: value.clone() for name, value in part.state_dict().items()}
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = _forward(part, given, labels)
    for value in (*part.parameters(), *part.buffers()):
        kept.pop(value.untyped_storage().data_ptr(), None)
    keeps_input, keeps_output = (
        kept.pop(value.untyped_storage().data_ptr(), None) is not None for value in (given, out)
    )
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
        duration_s=_time_step(part, given, labels, optimizer),
    )


def _forward(part, given, labels):
    with QuickConvolutions():  # as a training step computes it
        out = part(given)
    return out if labels is None else nn.functional.cross_entropy(out, labels)


def _learn(out, optimizer):
    if out.requires_grad:
        out.backward(torch.ones_like(out))
    if optimizer is not None:
        optimizer.step()
        optimizer.zero_grad()


def _time_step(part, given, labels, optimizer):
    given.grad = None
    _wait_for(given.device)
    start = time.perf_counter()
    _learn(_forward(part, given, labels), optimizer)
    _wait_for(given.device)
    return time.perf_counter() - start


def _wait_for(device):
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _compare(part, before):
    """Return {kind: whether a bit of it changed}, None for a kind that the part has nothing of."""
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
