"""Cutting one of timm's networks into stages, and verifying the cut on the network itself.

timm's networks share no layout, but two methods: `forward_features` and `forward_head`. Which modules the first one
calls, and in which order, is watched on one picture. A cut is believed only when its parts, one after the other, give
the very bits of these two methods and leave their inputs as they were. What can't be cut so stays in one piece.
"""

import contextlib
import copy
import itertools
import re

import torch
from torch import nn

from tlkit.backbones.stage_names import WHOLE

_MANY_BLOCKS = 8
_N_GROUPS = 4


class Part(nn.Module):
    """Some of a network's modules and parameters, and the methods of the network that use them.

    Needed where a network does more between two of its modules than to hand a tensor on.

    Arguments
    ---------
    network: torch.nn.Module
    names: collection of str
        Modules, parameters and buffers that this part holds, as the network's attributes.
    steps: sequence of str
        Modules or methods of the network that a batch goes through; "forward_head" stops before the classifier.
    left_out: sequence of str
        Layers that output classes, which this part does without.
    """

    def __init__(self, network, names, steps, left_out=()):
        super().__init__()
        self.network = _copy_shallow(network, names)
        self.steps = tuple(steps)
        for path in left_out:
            _drop(self.network, path.split("."))

    def forward(self, batch):
        for step in self.steps:
            options = {"pre_logits": True} if step == "forward_head" else {}
            batch = getattr(self.network, step)(batch, **options)
        return batch

    def extra_repr(self):
        return f"steps={self.steps}"


class Copy(nn.Module):
    """Hands a copy on, for a part that begins by overwriting its input."""

    def forward(self, batch):
        return batch.clone()


def cut_network(network, left_out, sides):
    """Cut a network of timm into verified stages; it is in evaluation mode afterwards, its weights as they were.

    Arguments
    ---------
    network: torch.nn.Module
    left_out: sequence of str
        Names of the layers that output classes.
    sides: sequence of int
        Sides of the square picture to verify with, in pixels, tried in turn: not every network takes every size.

    Returns (stages, tail) as `build_network` does. Where no cut can be verified there is one stage, "network".

    Raises ValueError where the network doesn't give one vector a picture.
    """
    network.eval()
    whole = {WHOLE: Part(network, _names(network), ("forward_features", "forward_head"), left_out)}, nn.Identity()
    with torch.no_grad(), _lively_weights(network):
        for side in sides:
            batch = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
            try:
                calls, wanted = _watch(network, batch)
                break
            except Exception as error:  # each network has its own way of saying that a picture is too small
                failure = error
        else:
            raise ValueError(f"name: timm's network takes no square picture of {sides} px ({failure})") from failure
        if not torch.is_tensor(wanted) or wanted.ndim != 2:
            shape = tuple(wanted.shape) if torch.is_tensor(wanted) else type(wanted).__name__
            raise ValueError(f"name: timm's network gives {shape} for one picture, expected (1, n_features)")
        with contextlib.suppress(Exception):  # a part that lacks what it needs fails in any of many ways
            stages, tail = _cut(network, left_out, calls)
            _, changed = _compose(stages, tail, batch)
            stages = {name: nn.Sequential(Copy(), part) if name in changed else part for name, part in stages.items()}
            features, changed = _compose(stages, tail, batch)
            if not changed and torch.equal(features, wanted) and _holds_all(network, left_out, stages):
                return stages, tail
    return whole


def _cut(network, left_out, calls):
    # One part for what comes before the blocks, one for each block or group of them, one for what follows.
    stages, owned = {}, set()
    paths = [path for path, _ in calls]
    start, end, groups = _group_blocks(network, calls)
    leading, trailing = paths[:start], paths[end:]
    if hasattr(network, "_pos_embed"):
        owned |= {path.partition(".")[0] for path in leading} | set(network._parameters) | set(network._buffers)
        behind = [path for path in leading if path not in ("patch_embed", "pos_drop")]
        stages["stem"] = Part(network, owned, ("patch_embed", "_pos_embed", *behind))
    elif leading:
        stages["stem"] = _chain(network, leading)
    stages |= {f"stage{number}": _chain(network, group) for number, group in enumerate(groups, start=1)}
    if trailing and not any(True for path in trailing for _ in network.get_submodule(path).parameters()):
        stages[f"stage{len(groups)}"] = _chain(network, [*groups[-1], *trailing])
    elif trailing:
        stages[_name_end(network, trailing)] = _chain(network, trailing)
    owned |= {path.partition(".")[0] for path in paths}
    rest = Part(network, _names(network) - owned, ("forward_head",), left_out)
    if not list(rest.parameters()):
        return stages, rest
    name = _name_end(rest.network, rest.network._modules)
    return stages | {name if name not in stages else "head": rest}, nn.Identity()


def _group_blocks(network, calls):
    # Returns (start, end, groups): which calls are blocks, and the paths of the blocks of each stage.
    paths = [path for path, _ in calls]
    tops = [path.partition(".")[0] for path in paths]
    n_parameters = {top: sum(value.numel() for value in network.get_submodule(top).parameters()) for top in tops}
    largest = max(n_parameters, key=n_parameters.get)
    numbered = [re.fullmatch(r"(layer|stage|level|s)_?\d", top) for top in tops]
    if tops.count(largest) >= 3 and 2 * n_parameters[largest] > sum(n_parameters.values()):
        start, end = tops.index(largest), len(tops) - tops[::-1].index(largest)
    elif any(numbered):
        # Such as layer1 to layer4 of a ResNet; what stands between two of them belongs to the earlier one.
        places = [place for place, match in enumerate(numbered) if match]
        start, end = places[0], places[-1] + 1
        bounds = [place for place in places if place == start or tops[place] != tops[place - 1]] + [end]
        if len(bounds) <= _MANY_BLOCKS:
            return start, end, [paths[low:high] for low, high in itertools.pairwise(bounds)]
    else:
        start, end = 0, len(paths)
    n_blocks = end - start
    if n_blocks <= _MANY_BLOCKS:
        return start, end, [[path] for path in paths[start:end]]
    # A stage ends where the map gets smaller, behind the pooling layer where one does that.
    shrinks = [place for place in range(start + 1, end) if calls[place][1][-2:] != calls[place - 1][1][-2:]]
    bounds = [
        place + (not any(True for _ in network.get_submodule(paths[place]).parameters()))
        for place in shrinks
        if len(calls[place][1]) == len(calls[place - 1][1]) == 4
    ]
    bounds = sorted({start, *bounds, end})
    if not 3 <= len(bounds) - 1 <= _MANY_BLOCKS:
        bounds = [start + n_blocks * number // _N_GROUPS for number in range(_N_GROUPS + 1)]
    return start, end, [paths[low:high] for low, high in itertools.pairwise(bounds)]


def _watch(network, batch):
    # Returns the path and output's shape of each module that `forward_features` calls, and the features.
    calls, hooks = [], []
    for name, child in network.named_children():
        is_list = isinstance(child, nn.ModuleList) or type(child).forward is nn.Sequential.forward
        within = [(f"{name}.{key}", module) for key, module in child.named_children()] if is_list else []
        for path, module in within or [(name, child)]:

            def note(module, inputs, output, path=path):
                calls.append((path, tuple(output.shape) if torch.is_tensor(output) else ()))

            hooks.append(module.register_forward_hook(note))
    try:
        features = network.forward_features(batch)
        in_features = list(calls)
        return in_features, network.forward_head(features, pre_logits=True)
    finally:
        for hook in hooks:
            hook.remove()


def _compose(stages, tail, batch):
    # Returns the features, and the names of the parts whose input was changed by them or by what follows.
    boundaries = {}
    for name, part in (*stages.items(), ("tail", tail)):
        boundaries[name] = (batch, batch.clone())
        batch = part(batch)
    return batch, {name for name, (now, before) in boundaries.items() if not torch.equal(now, before)}


def _holds_all(network, left_out, stages):
    without = {id(value) for layer in left_out for value in network.get_submodule(layer).parameters()}
    own = [id(value) for value in network.parameters() if id(value) not in without]
    held = [id(value) for part in stages.values() for value in part.parameters()]
    return sorted(own) == sorted(held)


@contextlib.contextmanager
def _lively_weights(network):
    # Norm layers and scales that begin with 0 or 1e-6 hide what is behind them, so that a wrong order of the parts
    # would give the same features. While the cut is verified, constants are replaced by random numbers.
    constants = [(p, p.flatten()[0].clone()) for p in network.parameters() if p.numel() and (p == p.flatten()[0]).all()]
    generator = torch.Generator().manual_seed(1)
    for parameter, _ in constants:
        parameter.copy_(0.1 + 0.9 * torch.rand(parameter.shape, generator=generator))
    try:
        yield
    finally:
        for parameter, constant in constants:
            parameter.copy_(constant.expand_as(parameter))


def _chain(network, paths):
    modules = [network.get_submodule(path) for path in paths]
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def _name_end(network, paths):
    if any("conv" in path.partition(".")[0] for path in paths):
        return "conv_head"
    return (
        "head"
        if any(value.ndim > 1 for path in paths for value in network.get_submodule(path).parameters())
        else "norm"
    )


def _names(network):
    return {*network._modules, *network._parameters, *network._buffers}


def _copy_shallow(module, names=None):
    copied = copy.copy(module)
    for kind in ("_modules", "_parameters", "_buffers"):
        values = getattr(module, kind)
        setattr(copied, kind, {name: value for name, value in values.items() if names is None or name in names})
    return copied


def _drop(module, path):
    name, *deeper = path
    if name in module._modules:
        if deeper:
            module._modules[name] = _copy_shallow(module._modules[name])
            _drop(module._modules[name], deeper)
        else:
            module._modules[name] = nn.Identity()
