"""Giving the tensors of a file the names that a network's own tensors have, where that is beyond doubt. Without torch.

What trains or wraps a network puts something before its names: "module." (DataParallel), "_orig_mod." (torch.compile),
"model.", "backbone." or "encoder." (a class of one's own), "state_dict." (a checkpoint), or several of these.
"""

import collections

from tlkit.backbones.weights_error import WeightsError

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
    changes = _say_stripped(inner, sum(name != short for name, short in plain.items()))
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
    return names, [*changes, *_say_stripped([best], n_stripped)]


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


def _say_stripped(prefixes, n_tensors):
    if not n_tensors:
        return []
    stripped = " and ".join(map(repr, prefixes))
    return [f"{stripped} was stripped from the names of {n_tensors} tensor{'s' if n_tensors > 1 else ''}"]
