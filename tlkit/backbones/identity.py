"""Facts about a network, beyond its weights and its text, that decide its features; its fingerprint holds them."""

import sys
import types

import torch
from torch import nn

_LIBRARIES = {"torch", "torchvision", "timm", "peft", "transformers", "tlkit", "numpy"}
_LIBRARIES |= set(sys.stdlib_module_names) - {"__main__"}
_PLAIN = (bool, int, float, str, bytes, type(None), tuple)


def is_covered(network):
    """Return whether a fingerprint covers all that a network computes; hooks and replaced methods may do anything."""
    everywhere = nn.modules.module
    hooks = [everywhere._global_forward_hooks, everywhere._global_forward_pre_hooks]
    for module in network.modules():
        hooks += [module._forward_hooks, module._forward_pre_hooks, vars(module).get("forward")]
    return not any(hooks)


def find_loose_tensors(network):
    """Return {name: tensor} of tensors that the state doesn't hold: attributes, and buffers that aren't saved."""
    tensors = {}
    for path, module in network.named_modules():
        unsaved = {name: module._buffers[name] for name in sorted(module._non_persistent_buffers_set)}
        for name, value in {**vars(module), **unsaved}.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{path}.{name}"] = value
    return tensors


def describe_settings(network):
    """Return a text of the modules' settings, and of the code of classes that don't come from a library."""
    texts, seen = [], set()
    for path, module in network.named_modules():
        for name, value in sorted(vars(module).items()):
            if isinstance(value, int | float | str) and name != "training" and not name.startswith("_"):
                texts.append(f"{path}.{name} {value!r}")
            elif isinstance(value, types.FunctionType):
                texts.append(f"{path}.{name} {value.__module__}.{value.__qualname__}")
                texts += _describe_code(value, seen)
        texts += _describe_code(type(module), seen)
        texts += _describe_code(type(module).forward, seen)  # a library's class may have been given another
    return "\n".join(texts)


def _describe_code(thing, seen):
    """Yield texts that change if a function or class changes, or something that it uses; none for libraries."""
    if isinstance(thing, types.CodeType):
        yield f"{thing.co_code.hex()} {thing.co_names}"
        for constant in thing.co_consts:
            yield from _describe_code(constant, seen)
    elif isinstance(thing, _PLAIN):
        yield repr(thing)
    elif isinstance(thing, type | types.FunctionType) and str(thing.__module__).split(".")[0] not in _LIBRARIES:
        if thing in seen:
            return
        seen.add(thing)
        if isinstance(thing, type):
            used = [value for name, value in sorted(vars(thing).items()) if not name.startswith("__")]
            # Static methods and properties hold their function.
            used = [getattr(value, "__func__", getattr(value, "fget", value)) for value in used] + [*thing.__bases__]
        else:
            names = [name for name in thing.__code__.co_names if name in thing.__globals__]
            cells = [cell.cell_contents for cell in thing.__closure__ or ()]
            used = [thing.__code__, thing.__defaults__, *cells, *(thing.__globals__[name] for name in names)]
        for part in used:
            yield from _describe_code(part, seen)
