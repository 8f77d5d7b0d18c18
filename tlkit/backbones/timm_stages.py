"""Cutting one of timm's networks into stages, and verifying the cut on the network itself.

timm's networks share no layout, but two methods: `forward_features` and `forward_head`. One picture goes through the
network while hooks record the modules that `forward_features` calls, in order. They become parts: the calls before the
blocks, groups of blocks, the calls behind. A cut is used only if its parts, one after the other, give the same bits as
the two methods, leave their inputs as they were, and hold every parameter once. Otherwise the network stays whole.
"""

import contextlib
import copy
import itertools
import re

import torch
from torch import nn

from tlkit.backbones.networks import WHOLE
from tlkit.cpu.threads import convolutions

_MANY_BLOCKS = 8
_N_GROUPS = 4

# The names of the two classes and `extra_repr` are part of a backbone's fingerprint, so they must not change.


class Part(nn.Module):
    """Some of a network's modules and parameters (`names`), and the `steps` that a batch goes through."""

    # Needed if a network does more between two of its modules than pass a tensor on. Steps are modules or methods of
    # the network; "forward_head" stops before the classifier, whose layers are removed.
    def __init__(self, network, names, steps, classifier=()):
        super().__init__()
        self.network = _copy_shallow(network, names)
        self.steps = tuple(steps)
        for path in classifier:
            _drop(self.network, path.split("."))

    def forward(self, batch):
        """Return the output of the last step."""
        for step in self.steps:
            options = {"pre_logits": True} if step == "forward_head" else {}
            batch = getattr(self.network, step)(batch, **options)
        return batch

    def extra_repr(self):
        """Return the steps, for the representation."""
        return f"steps={self.steps}"


class Copy(nn.Module):
    """Passes a copy on, for a part that begins by overwriting its input."""

    def forward(self, batch):
        """Return a copy of a batch."""
        return batch.clone()


def cut_network(network, classifier, sides, n_channels=3):
    """Return (stages, tail), verified with a square picture of the first of `sides` (pixels) that the network takes."""
    # Afterwards the network is in evaluation mode, its weights as before. `classifier` names the layers for classes.
    network.eval()
    whole = {WHOLE: Part(network, _names(network), ("forward_features", "forward_head"), classifier)}, nn.Identity()
    with torch.no_grad(), convolutions.together(), _lively_weights(network):
        for side in sides:
            batch = torch.randn(1, n_channels, side, side, generator=torch.Generator().manual_seed(0))
            try:
                calls, expected = _record_calls(network, batch)
                break
            except Exception as error:  # if a picture is too small, each network raises an error of its own
                failure = error
        else:
            raise ValueError(f"name: timm's network takes no square picture of {sides} px ({failure})") from failure
        if not torch.is_tensor(expected) or expected.ndim != 2:
            shape = tuple(expected.shape) if torch.is_tensor(expected) else type(expected).__name__
            raise ValueError(f"name: timm's network gives {shape} for one picture, expected (1, n_features)")
        with contextlib.suppress(Exception):  # a part that lacks something fails in any of many ways
            stages, tail = _cut(network, classifier, calls)
            _, changed = compose(stages, tail, batch)
            stages = {name: nn.Sequential(Copy(), part) if name in changed else part for name, part in stages.items()}
            features, changed = compose(stages, tail, batch)
            if not changed and torch.equal(features, expected) and _holds_all(network, classifier, stages):
                return stages, tail
    return whole


def _cut(network, classifier, calls):
    """Return (stages, tail): a stem, one stage per block or group of blocks, and one for the calls behind them."""
    stages, owned = {}, set()
    paths = [path for path, _ in calls]
    start, end, groups = group_blocks(network, calls)
    leading, trailing = paths[:start], paths[end:]
    if hasattr(network, "_pos_embed"):
        # A transformer: its position embedding and class token are parameters of the network, added by a method.
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
    rest = Part(network, _names(network) - owned, ("forward_head",), classifier)
    if not list(rest.parameters()):
        return stages, rest
    name = _name_end(rest.network, rest.network._modules)
    return stages | {name if name not in stages else "head": rest}, nn.Identity()


def group_blocks(network, calls):
    """Return (start, end, groups): the range of calls that are blocks, and the paths of each stage's blocks."""
    # The blocks are the module that holds most parameters in three calls or more; else numbered modules such as layer1
    # to layer4; else all calls. More than 8 are grouped, by the size of the map, or else into four.
    paths = [path for path, _ in calls]
    tops = [path.partition(".")[0] for path in paths]
    n_parameters = {top: sum(value.numel() for value in network.get_submodule(top).parameters()) for top in tops}
    largest = max(n_parameters, key=n_parameters.get)
    numbered = [re.fullmatch(r"(layer|stage|level|s)_?\d", top) for top in tops]
    if tops.count(largest) >= 3 and 2 * n_parameters[largest] > sum(n_parameters.values()):
        start, end = tops.index(largest), len(tops) - tops[::-1].index(largest)
    elif any(numbered):
        # Calls between two numbered modules belong to the earlier one.
        indices = [index for index, match in enumerate(numbered) if match]
        start, end = indices[0], indices[-1] + 1
        bounds = [index for index in indices if index == start or tops[index] != tops[index - 1]] + [end]
        if len(bounds) <= _MANY_BLOCKS:
            return start, end, [paths[low:high] for low, high in itertools.pairwise(bounds)]
    else:
        start, end = 0, len(paths)
    n_blocks = end - start
    if n_blocks <= _MANY_BLOCKS:
        return start, end, [[path] for path in paths[start:end]]
    # If a pooling layer, which has no parameters, shrinks the map, the stage ends behind it.
    shrinks = [index for index in range(start + 1, end) if calls[index][1][-2:] != calls[index - 1][1][-2:]]
    bounds = [
        index + (not any(True for _ in network.get_submodule(paths[index]).parameters()))
        for index in shrinks
        if len(calls[index][1]) == len(calls[index - 1][1]) == 4
    ]
    bounds = sorted({start, *bounds, end})
    if not 3 <= len(bounds) - 1 <= _MANY_BLOCKS:
        bounds = [start + n_blocks * number // _N_GROUPS for number in range(_N_GROUPS + 1)]
    return start, end, [paths[low:high] for low, high in itertools.pairwise(bounds)]


def _record_calls(network, batch):
    """Return ([(path, output shape) of each module that `forward_features` calls], features)."""
    calls = []
    with contextlib.ExitStack() as hooks:
        for name, child in network.named_children():
            is_list = isinstance(child, nn.ModuleList) or type(child).forward is nn.Sequential.forward
            within = [(f"{name}.{key}", module) for key, module in child.named_children()] if is_list else []
            for path, module in within or [(name, child)]:

                def note(module, inputs, output, path=path):
                    calls.append((path, tuple(output.shape) if torch.is_tensor(output) else ()))

                hooks.enter_context(module.register_forward_hook(note))
        features = network.forward_features(batch)
        in_features = list(calls)
        return in_features, network.forward_head(features, pre_logits=True)


def compose(stages, tail, batch):
    """Return (features, names of the parts whose input was overwritten, by themselves or by a later part)."""
    boundaries = {}
    for name, part in (*stages.items(), ("tail", tail)):
        boundaries[name] = (batch, batch.clone())
        batch = part(batch)
    return batch, {name for name, (now, before) in boundaries.items() if not torch.equal(now, before)}


def _holds_all(network, classifier, stages):
    """Return whether the stages hold every parameter once, without those of the classifier."""
    excluded = {id(value) for layer in classifier for value in network.get_submodule(layer).parameters()}
    own = [id(value) for value in network.parameters() if id(value) not in excluded]
    held = [id(value) for part in stages.values() for value in part.parameters()]
    return sorted(own) == sorted(held)


@contextlib.contextmanager
def _lively_weights(network):
    """Replace constant weights by random numbers while the cut is verified."""
    # Norm layers and scales that begin with 0 or 1e-6 hide the layers behind them, and so a wrong order of parts.
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
    """Return the modules at these paths as one module."""
    modules = [network.get_submodule(path) for path in paths]
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def _name_end(network, paths):
    """Return the name of a last stage of modules at these paths."""
    if any("conv" in path.partition(".")[0] for path in paths):
        return "conv_head"
    has_weights = any(value.ndim > 1 for path in paths for value in network.get_submodule(path).parameters())
    return "head" if has_weights else "norm"


def _names(network):
    """Return the names of a network's own modules, parameters and buffers."""
    return {*network._modules, *network._parameters, *network._buffers}


def _copy_shallow(module, names=None):
    """Return a module that shares the parts with these names (by default all) and has no others."""
    copied = copy.copy(module)
    for kind in ("_modules", "_parameters", "_buffers"):
        values = getattr(module, kind)
        setattr(copied, kind, {name: value for name, value in values.items() if names is None or name in names})
    return copied


def _drop(module, path):
    """Replace the layer at a path (list of str) by nothing, copying the modules around it."""
    name, *deeper = path
    if name in module._modules:
        if deeper:
            module._modules[name] = _copy_shallow(module._modules[name])
            _drop(module._modules[name], deeper)
        else:
            module._modules[name] = nn.Identity()
