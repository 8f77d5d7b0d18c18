"""Argument checks and spelling suggestions, shared by all folders. Without torch."""

import difflib
import importlib
import math
import numbers
import operator
import os

import numpy as np

_N_LISTED = 20  # names in a message


def suggest(name, known):
    """Return a text with the known names that are nearest to an unknown one."""
    listed, lowered = sorted(known), {item.casefold(): item for item in known}
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
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{argument}: {name!r} is a {type(name).__name__}, expected a str or a list of str")
        if name not in known:
            raise ValueError(f"{argument}: {str(name)!r} is unknown; {suggest(name, known)}")
    return names


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
    expected = _describe_range(above, at_least, below, at_most) + (f" or {or_text!r}" if or_text else "") + hint
    if not is_text and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
        raise TypeError(f"{argument}: {value!r}, expected {expected}")
    if (
        is_text
        or math.isnan(value)
        or (math.isinf(value) and at_most != math.inf)
        or (above is not None and value <= above)
        or (at_least is not None and value < at_least)
        or (below is not None and value >= below)
        or (at_most is not None and value > at_most)
    ):
        raise ValueError(f"{argument}: {value!r}, expected {expected}")
    return float(value)


def _describe_range(above, at_least, below, at_most):
    """Return the text for a range of numbers, for example "a number above 0 and at most 1"."""
    if at_least is not None and (at_most is not None or below is not None):
        return f"a number from {at_least} to {f'below {below}' if at_most is None else at_most}"
    bounds = {"above": above, "of at least": at_least, "below": below, "at most": at_most}
    given = [f"{relation} {bound}" for relation, bound in bounds.items() if bound is not None]
    return f"a number {' and '.join(given)}"


def check_shape(argument, values, shape, meaning):
    """Raise ValueError if an array has another shape, whose `meaning` the message explains, or masked entries."""
    if (given := np.shape(read_array(argument, values))) != tuple(shape):
        raise ValueError(f"{argument}: shape {given}, expected {tuple(shape)}, {meaning}")


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
    """Return values as a plain array, also a tensor with gradients or of bfloat16; ValueError if some are masked."""
    if np.ma.is_masked(values):  # an array would hold what lies below the mask
        raise ValueError(f"{argument}: some entries are masked, expected values: fill them in, or leave these rows out")
    if hasattr(values, "cpu"):
        values = (values.float() if str(values.dtype) == "torch.bfloat16" else values).detach().cpu()
    return np.asarray(values)


def read_labels(argument, labels):
    """Return labels as a plain array of int or str, also columns of pandas and lists of objects of one of the types."""
    given = read_array(argument, labels)
    if given.dtype.kind not in "OT":
        return given
    wholes = (numbers.Integral, np.bool_)
    kind = str if any(isinstance(value, str) for value in given.flat) else wholes
    for index, value in enumerate(given.flat):
        if not isinstance(value, kind):
            expected = "names of classes as the others are" if kind is str else "class indices or names"
            raise TypeError(f"{argument}: {value!r} at place {index} is a {type(value).__name__}, expected {expected}")
    return np.array(given.tolist(), dtype=str if kind is str else np.int64)


def check_class_indices(argument, labels, n_rows, n_classes):
    """Return labels that are indices of classes as (n_rows,) int64, each from 0 to n_classes - 1."""
    labels = read_labels(argument, labels)
    if labels.dtype.kind not in "iu" or labels.shape != (n_rows,):
        raise TypeError(
            f"{argument}: shape {labels.shape} of type {labels.dtype}, expected ({n_rows},) whole numbers from 0 to "
            f"{n_classes - 1}: the class index of each picture"
        )
    if len(wrong := labels[(labels < 0) | (labels >= n_classes)]):
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
    labels = read_array(argument, labels)
    check_shape(argument, labels, (n_rows, n_labels), "one row per picture and one column per label")
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
    if not ((given >= 0).all() and np.allclose(given.sum(axis=1), 1, atol=1e-3)):
        raise ValueError(f"{argument}: some rows are no probabilities (at least 0, sum 1); apply softmax to scores")
    return given


def check_predictions(probabilities, labels):
    """Return ((n, n_classes) float64 probabilities, (n,) int64 class indices) of at least one picture."""
    probabilities = check_probabilities(probabilities)
    return probabilities, check_class_indices("labels", labels, *probabilities.shape)
