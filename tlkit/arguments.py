"""Argument checks and spelling suggestions, shared by all folders. Without torch."""

import difflib
import importlib
import math
import numbers
import operator
import os
from collections.abc import Iterable

import numpy as np

_N_LISTED = 20  # names in a message
_RELATIONS = {"above": operator.gt, "of at least": operator.ge, "below": operator.lt, "at most": operator.le}


def suggest(name, known):
    """Return a text with the known names that are nearest to an unknown one."""
    listed, lowered = sorted(set(known)), {item.casefold(): item for item in known}
    nearest = [lowered[item] for item in difflib.get_close_matches(str(name).casefold(), lowered, n=3)]
    more = f" and {len(listed) - _N_LISTED} more" if len(listed) > _N_LISTED else ""
    text = "known: " + (", ".join(map(repr, listed[:_N_LISTED])) or "none") + more
    return f"nearest: {', '.join(map(repr, nearest))}; {text}" if nearest else text


def import_extra(need, command, *names):
    """Return optional packages; if one is missing, the error has the need, such as "LoRA needs", and the command."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else onnxruntime reports its use, and keeps an id at home
    try:
        return [importlib.import_module(name) for name in names]
    except ModuleNotFoundError as error:
        if error.name not in names:
            raise
        message = f"{need} {error.name}, which is not installed: {command}"
        raise ModuleNotFoundError(message, name=error.name) from None


def check_known(argument, names, known):
    """Return a name (str) or names as a list if all are known; else ValueError, or TypeError for other types."""
    names = list(names) if isinstance(names, Iterable) and not isinstance(names, str) else [names]
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{argument}: {name!r} is a {type(name).__name__}, expected a str or a list of str")
        if name not in known:
            raise ValueError(f"{argument}: {str(name)!r} is unknown; {suggest(name, known)}")
    return names


def check_flag(argument, value):
    """Return a bool, also if it is NumPy's."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{argument}: {value!r}, expected True or False")
    return bool(value)


def check_count(argument, value, lowest, highest=None):
    """Return a whole number within bounds, both included, as int; else TypeError or ValueError."""
    bounds = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"
    try:
        number = operator.index(value)
    except TypeError:
        given = f"{value!r} is a {type(value).__name__}"
        raise TypeError(f"{argument}: {given}, expected a whole number {bounds}") from None
    if isinstance(value, bool) or number < lowest or (highest is not None and number > highest):
        raise ValueError(f"{argument}: {value!r}, expected a whole number {bounds}")
    return number


def check_number(argument, value, *, above=None, at_least=None, below=None, at_most=None, or_text=None, hint=""):
    """Return a number within bounds as float, or the text allowed instead; only `at_most=math.inf` allows infinity."""
    is_text = or_text is not None and isinstance(value, str)
    if is_text and value == or_text:
        return value
    bounds = dict(zip(_RELATIONS, (above, at_least, below, at_most), strict=True))
    bounds = {name: bound for name, bound in bounds.items() if bound is not None}
    expected = " and ".join(f"{name} {bound}" for name, bound in bounds.items())  # as in "above 0 and at most 1"
    if at_least is not None and len(bounds) > 1:
        expected = f"from {at_least} to {f'below {below}' if at_most is None else at_most}"
    expected = f"a number {expected}" + (f" or {or_text!r}" if or_text else "") + hint
    if not is_text and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
        raise TypeError(f"{argument}: {value!r}, expected {expected}")
    is_within = not is_text and (at_most == math.inf or math.isfinite(value))  # NaN is within no bounds
    if not (is_within and all(_RELATIONS[name](value, bound) for name, bound in bounds.items())):
        raise ValueError(f"{argument}: {value!r}, expected {expected}")
    return float(value)


def check_shape(argument, values, shape, meaning):
    """Return values as `read_array` if they have a shape, whose `meaning` the message explains; else ValueError."""
    given = read_array(argument, values)
    if given.shape != tuple(shape):
        found = values if values is None else f"shape {given.shape}"
        raise ValueError(f"{argument}: {found}, expected {tuple(shape)}, {meaning}")
    return given


def resolve_index(index, n):
    """Return the rows (m,) int that a slice, indices or a mask (n,) select in a sequence of length n."""
    rows = np.arange(n)
    if isinstance(index, slice):
        return rows[index]
    indices = read_array("index", index)
    if indices.size == 0 and indices.dtype != bool:
        indices = indices.astype(np.int64)
    if indices.ndim != 1 or not (indices.dtype == bool or np.issubdtype(indices.dtype, np.integer)):
        raise TypeError(f"index: {index!r}, expected an int, a slice, a list of int or an (n,) mask of bool")
    return rows[indices]


def check_columns(argument, table, wanted):
    """Raise ValueError if a DataFrame lacks one of a set of columns."""
    if missing := sorted(wanted - set(table.columns)):
        raise ValueError(f"{argument}: has no {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")


def check_finite(argument, values):
    """Raise ValueError if an array has NaN or infinity, which would make all classes equally likely."""
    if not np.isfinite(values).all():
        raise ValueError(f"{argument}: some values are NaN or infinite; extract them again, or check the network")


def read_array(argument, values):
    """Return values as a plain array, also a tensor or pandas' nullable numbers; ValueError if some are masked."""
    if np.ma.is_masked(values):  # an array would hold what lies below the mask
        raise ValueError(f"{argument}: some entries are masked, expected values: fill them in, or leave these rows out")
    if hasattr(values, "cpu"):
        values = (values.float() if str(values.dtype) == "torch.bfloat16" else values).detach().cpu()
    given = np.asarray(values)
    is_plain = given.dtype != object or not all(isinstance(value, numbers.Real | np.bool_) for value in given.flat)
    return given if is_plain else np.array(given.tolist()).reshape(given.shape)


def is_missing(value):
    """Return whether an entry of a column is empty, None or NaN, also as pandas or its texts have it."""
    is_text = isinstance(value, str) or not hasattr(value, "__len__")
    return value is None or (is_text and str(value).strip().casefold() in ("", "nan", "nat", "<na>"))


def check_present(argument, values, rows="pictures"):
    """Raise ValueError if entries of a column are missing; `rows` says what has them."""
    if missing := [row for row, value in enumerate(values) if is_missing(value)]:
        found = f"missing for {len(missing)} of {len(values)} {rows}, the first is number {missing[0]}"
        raise ValueError(f"{argument}: {found}: fill them in, or leave these {rows.partition(' ')[0]} out")


def read_labels(argument, labels):
    """Return labels as a plain array of int or str, also columns of pandas and lists of objects of one of the types."""
    given = read_array(argument, labels)
    if given.dtype.kind == "U" and isinstance(labels, list | tuple):
        given = np.asarray(labels, dtype=object)  # NumPy has made texts of NaN and numbers in the list
    if given.dtype.kind not in "OT":
        return given
    kind, expected = numbers.Integral, "class indices or names"
    if any(isinstance(value, str) for value in given.flat):
        kind, expected = str, "names of classes as the others are"
    for index, value in enumerate(given.flat):
        if not isinstance(value, kind):
            raise TypeError(f"{argument}: {value!r} at place {index} is a {type(value).__name__}, expected {expected}")
    return np.array(given.tolist(), dtype=str)


def check_class_indices(argument, labels, n_rows, n_classes, lowest=0):
    """Return labels that are indices of classes as (n_rows,) int64, each from 0 (or -1) to n_classes - 1."""
    labels = read_labels(argument, labels)
    if labels.dtype.kind not in "iu" or labels.shape != (n_rows,):
        raise TypeError(
            f"{argument}: shape {labels.shape} of type {labels.dtype}, expected ({n_rows},) whole numbers from 0 to "
            f"{n_classes - 1}: the class index of each picture"
        )
    if len(wrong := labels[(labels < lowest) | (labels >= n_classes)]):
        advice = "bring both to the same list of classes with ImageSet.with_classes"
        raise ValueError(f"{argument}: {wrong[0]}, expected class indices from 0 to {n_classes - 1}; {advice}")
    return labels.astype(np.int64)


def check_one_label(argument, images):
    """Raise TypeError if pictures, or features, have several labels each."""
    if np.ndim(getattr(images, "labels", ())) == 2:
        raise TypeError(
            f"{argument}: several labels per picture, expected one class each, as load_images makes it with one column "
            'label="…"; extract_features, fit_head and compare with linear probes take several'
        )


def check_label_table(argument, labels, n_rows, n_labels):
    """Return labels as (n_rows, n_labels) int64 if all are 0 or 1."""
    labels = check_shape(argument, labels, (n_rows, n_labels), "one row per picture and one column per label")
    if labels.dtype.kind not in "biu" or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{argument}: of type {labels.dtype} from {labels.min()} to {labels.max()}, expected 0 and 1")
    return labels.astype(np.int64)


def relabel(labels, names, wanted):
    """Return labels by another list of classes; several labels may only change their order, else ValueError."""
    lookup = {name: label for label, name in enumerate(wanted)}
    if labels.ndim == 1:
        return np.array([lookup.get(name, -1) for name in names], dtype=np.int64)[labels]
    if sorted(wanted) != sorted(names):  # it is unknown whether the pictures have other labels
        raise ValueError(f"classes: {', '.join(wanted)}, expected the labels {', '.join(names)} in any order")
    return labels[:, [names.index(name) for name in wanted]]


def check_probabilities(probabilities, argument="probabilities"):
    """Return probabilities as (n, n_classes) float64 if each row is at least 0 and sums to 1."""
    given = read_array(argument, probabilities)
    if given.ndim != 2 or given.dtype.kind != "f":
        found = f"shape {given.shape} of type {given.dtype}, expected (n, n_classes) floats, one row per picture"
        raise TypeError(f"{argument}: {found}; were the arguments swapped?")
    if not len(given):
        raise ValueError(f"{argument}: no rows, expected at least one picture")
    given = given.astype(np.float64, copy=False)
    check_finite(argument, given)
    rounding = 1 / 256 if str(getattr(probabilities, "dtype", "")) == "torch.bfloat16" else 1e-3
    if not ((given >= 0).all() and np.allclose(given.sum(axis=1), 1, atol=rounding)):
        raise ValueError(f"{argument}: some rows are no probabilities (at least 0, sum 1); apply softmax to scores")
    return given


def check_predictions(probabilities, labels):
    """Return ((n, n_classes) float64 probabilities, (n,) int64 class indices) of at least one picture."""
    probabilities = check_probabilities(probabilities)
    return probabilities, check_class_indices("labels", labels, *probabilities.shape)
