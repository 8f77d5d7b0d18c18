"""Fitting the tensors of a weights file to a network: every tensor of the backbone, or a table of those that don't fit.

Names lose the parts that wrappers such as torch.compile add, and one common prefix, for example "module.", if that
makes more of the network's tensors fit, and at least half; behind it, the parts of the network may be numbered, as in
nn.Sequential(*network.children()). If all names still differ, tensors are matched in their order if every shape fits.

Surplus tensors (another head, counters, a loss) are left out, but one within the backbone means another network.
"""

import collections
import copy
import fnmatch
import re

import torch

from tlkit.backbones.weights.error import Fault, WeightsError
from tlkit.backbones.weights.hashes import known_sha256
from tlkit.backbones.weights.weight_files import find_published
from tlkit.names import make_printable
from tlkit.notices import warn

_SMALLEST_SHARE = 0.5

# Published files of DenseNets and ViTs have the names of torchvision's first releases.
_OLD_NAMES = (
    (r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)", r"\1"),
    (r"(?<=\.mlp\.)linear_1\.", "0."),
    (r"(?<=\.mlp\.)linear_2\.", "3."),
)

# Files from before torch counted batches lack these counts, and no network here uses them.
_OPTIONAL = "num_batches_tracked"

# Surplus tensors with these last names don't change the output of a layer.
_UNUSED = (_OPTIONAL, "total_ops", "total_params", "relative_position_index", "attn_mask", "mask_token", "queue")

# torch.compile, and torch's sharding and checkpointing, insert these in the middle of names too.
_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")

_ADVICE = "Load it into the network that it was saved from"
_PUBLISHED_ADVICE = "Delete it and load again, since a published file fits"

# If several states of a file fit, the first of these is taken: its authors evaluate the averaged weights.
_PREFERRED = (r"(.*[._])?(ema|swa|averaged)([._].*)?", r"", r"state_dict\..*", r"model_state_dict\..*", r"model\..*")


def fit_to_network(tensors, network, classifier, path, allow=(), *, published=False):
    """Return (state dict for the network, changes as sentences, names of faulty tensors that `allow` matches)."""
    # Tensors of the classifier that don't fit stay random; so do faulty ones that match a pattern in `allow`, if at
    # least half of the network's tensors fit. A published file causes no warnings.
    own = network.state_dict()
    classifier_prefixes = tuple(f"{layer}." for layer in classifier)
    required = {name: value for name, value in own.items() if not name.startswith(classifier_prefixes)}
    children = [name for name, _ in network.named_children()]
    given, surplus, changes, faults = _match_names(tensors, own, required, children, path)
    state, precisions = copy.copy(own), set()  # with the versions of layers, which MNASNet asks for
    for name, value in own.items():
        if name not in given:
            if name in required and not name.endswith(_OPTIONAL):
                faults.append(Fault(name, "missing", "", str(tuple(value.shape))))
        elif (fault := _find_fault(name, given[name], value)) is None:
            state[name] = given[name].to(value.dtype)
            if given[name].dtype != value.dtype and name in required:
                precisions.add(str(given[name].dtype))
        elif name in required and not name.endswith(_OPTIONAL):  # averages of checkpoints have counts with fractions
            faults.append(fault)
    for name in (name for name in given if name not in own):
        if _is_foreign(name, given[name], required, classifier):
            faults.append(Fault(name, "unexpected", str(tuple(given[name].shape)), ""))
        elif not name.startswith(classifier_prefixes):
            surplus[name] = given[name]
    dropped = sorted({layer for layer in classifier if any(name.startswith(f"{layer}.") for name in given)})
    if surplus:
        n_surplus = f"{len(surplus)} tensor{'s' if len(surplus) > 1 else ''}"
        changes.append(f"left out, since the backbone lacks it: {n_surplus}, such as {next(iter(surplus))!r}")
    if precisions:
        changes.append(f"{', '.join(sorted(precisions))} was read as torch.float32: results differ by its rounding")
    allowed = _check_faults(faults, surplus, allow, required, path, published)
    if changes and not published:
        warn(make_printable(f"{path}: {'; '.join(changes)}"))
    if dropped:
        changes.append(f"{', '.join(dropped)} was dropped: a backbone has no classifier")
    if allowed:
        changes.append(f"kept at the network's own values, as allowed: {', '.join(allowed)}")
    return state, changes, allowed


def _match_names(tensors, own, required, children, path):
    """Return ({network's name: tensor}, {name: tensor} outside of the network, changes as sentences, faults)."""
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    own_shapes = {name: tuple(value.shape) for name, value in own.items()}
    names, changes = rename(shapes, {name: own_shapes[name] for name in required}, path, children)
    if not own.keys() & names.values() and (in_order := match_in_order(shapes, own_shapes, required)):
        names = in_order
        changes = [f"all {len(names)} names differ; the tensors were matched in their order, and all shapes fit"]
    given, faults = {}, []
    for name, short in names.items():
        if short in given and short in required:
            faults.append(Fault(name, "comes twice", short, "one of them"))
        given.setdefault(short, tensors[name])
    return given, {name: value for name, value in tensors.items() if name not in names}, changes, faults


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


def _is_foreign(name, tensor, required, classifier):
    """Return whether a tensor that the network lacks belongs to the trunk of another network."""
    top, _, rest = name.partition(".")
    heads = tuple(f"{layer.rpartition('.')[0] or layer}." for layer in classifier)
    if name.startswith(heads) or name.rpartition(".")[2] in _UNUSED or not tensor.is_floating_point():
        return False
    # A parameter of the network itself may be a position embedding or a token.
    return tensor.ndim > 1 if not rest else any(one.startswith(f"{top}.") for one in required)


def _check_faults(faults, surplus, allow, required, path, published):
    """Return the names of the faulty tensors if all are allowed and enough tensors fit; else raise WeightsError."""
    patterns = [allow] if isinstance(allow, str) else list(allow)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"allow: {allow!r}, expected patterns of tensor names, as in ('fc.*',)")
    extra = [Fault(name, "unexpected", str(tuple(value.shape)), "") for name, value in surplus.items()]
    matching = {
        pattern: [fault for fault in (*faults, *extra) if fnmatch.fnmatchcase(fault.tensor, pattern)]
        for pattern in patterns
    }
    idle = ", ".join(repr(pattern) for pattern, matched in matching.items() if not matched)
    allowed = {fault for matched in matching.values() for fault in matched}
    refused = [fault for fault in faults if fault not in allowed]
    counted = {name for name in required if not name.endswith(_OPTIONAL)}
    n_fitting = len(counted - {fault.tensor for fault in faults})
    if refused or n_fitting < _SMALLEST_SHARE * len(counted):
        entry = find_published(known_sha256(path))
        raise WeightsError(
            f"{path} holds other weights than this network's: {n_fitting} of its {len(counted)} tensors fit"
            + (f", and it is the published file of {entry.name}" if entry else "")
            + (f". allow: {idle} matches none of the faults" if idle else "")
            + (
                f". {_PUBLISHED_ADVICE if published else _ADVICE}, or name in allow= the tensors that may stay random "
                "or, if the network lacks them, be ignored"
                if refused
                else ". That is too few, whatever is allowed; for random weights, pass weights=None"
            ),
            [*(refused or faults), *(fault for fault in extra if fault not in allowed)],
        )
    if idle:
        warn(f"allow: {idle} matches no fault in {path}, so it can be removed")
    return tuple(dict.fromkeys(fault.tensor for fault in (*faults, *extra) if fault in allowed))


def rename(shapes, required, path, children=()):
    """Return ({name in the file: name in the network}, changes), given {name: shape} of the file and the network."""
    plain = {
        name: name if name in required else ".".join(part for part in name.split(".") if part not in _WRAPPERS)
        for name in shapes
    }
    found = [part for part in _WRAPPERS if any(part in old.split(".") for old, new in plain.items() if old != new)]
    changes = _format_stripped(found, sum(name != short for name, short in plain.items()))
    for old, new in _OLD_NAMES:
        plain = {name: short if short in required else re.sub(old, new, short) for name, short in plain.items()}
    n_fitting = collections.Counter()
    for name, short in plain.items():
        for prefix in _list_prefixes(short):
            rest = short.removeprefix(prefix)
            for is_numbered, named in enumerate((rest, _name_child(rest, children))):
                if required.get(named) == shapes[name]:
                    n_fitting[prefix, is_numbered] += 1
    n_best = max(n_fitting.values(), default=0)
    tied = sorted((key for key in n_fitting if n_fitting[key] == n_best), key=_rank)
    if n_best < _SMALLEST_SHARE * len(required):
        tied = [("", False)]
    if len(tied) > 1 and _rank(tied[0]) == _rank(tied[1]):  # for example a file of a teacher and a student
        listed = ", ".join(repr(prefix) for prefix, _ in sorted(tied))
        raise WeightsError(f"{path} holds several states that fit equally well, under {listed}: save one by itself")
    best, is_numbered = tied[0]
    names = {}
    for name, short in plain.items():
        rest = short.removeprefix(best)
        if short.startswith(best):
            names[name] = (is_numbered and _name_child(rest, children)) or rest
        elif short in required and len(tied) == 1:
            names[name] = short
    changes += _format_stripped([best], sum(plain[name] != short for name, short in names.items()) if best else 0)
    if is_numbered:
        changes.append("its numbered parts were taken for the network's, in their order")
    if len(tied) > 1:
        changes.append(f"of several states that fit, {best or 'the first'!r} was taken")
    return names, changes


def match_in_order(shapes, own, required):
    """Return {file's name: network's name} by order; None unless the backbone's shapes and all last names agree."""
    for prefix in sorted({prefix for name in shapes for prefix in _list_prefixes(name)}, key=len):
        group = [name for name in shapes if name.startswith(prefix)]
        for wanted in (own, required):
            if len(group) == len(wanted) and all(
                a.split(".")[-1] == b.split(".")[-1] and (shapes[a] == own[b] or b not in required)
                for a, b in zip(group, wanted, strict=True)
            ):
                return dict(zip(group, wanted, strict=True))
    return None


def _rank(key):
    """Return the place of a (prefix, is_numbered) among several states that fit."""
    fitting = [rank for rank, pattern in enumerate(_PREFERRED) if re.fullmatch(pattern, key[0])]
    return min(fitting, default=len(_PREFERRED))


def _name_child(name, children):
    """Return a name that begins with the number of a child, such as "4.0.bn1.weight", with its name; else None."""
    number, dot, rest = name.partition(".")
    return f"{children[int(number)]}{dot}{rest}" if number.isdecimal() and int(number) < len(children) else None


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
