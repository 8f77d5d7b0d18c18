"""`check_preprocessing`: does a loader prepare pictures as the network's weights want it, and what does it cost?"""

import dataclasses

import numpy as np

from tlkit.evaluation.gains import give_verdict
from tlkit.evaluation.intervals import two_way_interval
from tlkit.inspection.loader_fit import explain, name_mismatches

# Of standardised values; conversions of the same pixels differ by less.
_TOLERANCE = 1e-3
_N_EXPLAINED = 12
# How many other orders an order is held against, and the share of them that may fit as well.
_N_ORDERS, _LARGEST_CHANCE = 1000, 0.01


@dataclasses.dataclass(frozen=True, eq=False)
class PreprocessingCheck:
    """What `check_preprocessing` found; displays as sentences.

    Arguments
    ---------
    passed: bool
        The loader's tensors are those of the recipe.
    mismatches: dict of str to str
        What is otherwise, and how: "not standardised", "0–255", "other mean and standard deviation", "BGR", "channels
        last", "other size", "other interpolation", "other crop", "mirrored", "augmented", "other values".
    largest_difference: float
        Between a value of the loader and the recipe's, in standardised units; NaN where sizes differ.
    n_pictures: int
    accuracy: float
        Of a linear probe that learns and is tested on pictures prepared by the recipe.
    accuracy_tested, change_tested, change_tested_low, change_tested_high: float
        Of the same probe, tested on the loader's tensors, and what that changes, with its 95 % interval.
    accuracy_both, change_both, change_both_low, change_both_high: float
        Of a probe that learns from the loader's tensors too.
    """

    passed: bool
    mismatches: dict
    largest_difference: float
    n_pictures: int
    accuracy: float
    accuracy_tested: float
    change_tested: float
    change_tested_low: float
    change_tested_high: float
    accuracy_both: float
    change_both: float
    change_both_low: float
    change_both_high: float

    def __repr__(self):
        if self.passed:
            return (
                f"Passed: {self.n_pictures} pictures are prepared as the weights want it "
                f"(values differ by at most {self.largest_difference:.1g})."
            )
        lines = [f"Not the preprocessing of these weights ({self.n_pictures} pictures):"]
        lines += [f"  {name}: {words}." for name, words in self.mismatches.items()]
        if np.isnan(self.accuracy_tested):
            return "\n".join([*lines, "  The network can't take such pictures, so there is no accuracy."])
        tested = _format_change(self.change_tested, self.change_tested_low, self.change_tested_high)
        both = _format_change(self.change_both, self.change_both_low, self.change_both_high)
        lines += [
            f"  Accuracy of a linear probe with the right preprocessing: {self.accuracy:.3f}.",
            f"  The same probe tested on the loader's pictures: {self.accuracy_tested:.3f} ({tested}).",
            f"  Learned and tested on the loader's pictures: {self.accuracy_both:.3f} ({both}).",
        ]
        return "\n".join(lines)


def check_preprocessing(loader, backbone, images, *, n_seeds=5, progress=True):
    """Compare what a loader makes of pictures with what the weights were trained on, and say what it costs.

    Which mismatch it is comes from making twelve of the pictures in other ways: other sizes, crops and filters, and a
    line through the values of each channel. The cost is that of linear probes in five folds, all pictures of a
    group in one, folded anew with each seed; the interval takes seeds and groups into account.

    Arguments
    ---------
    loader: iterable of (n, 3, height, width) batches, or of (batch, labels)
        A DataLoader or any other, of torch tensors or arrays, that gives `images` in their order.
    backbone: Backbone
        Left as it was.
    images: ImageSet
        Of two classes or more.
    n_seeds: int
    progress: bool
        Show a bar while features are computed.

    Returns a `PreprocessingCheck`. Raises ValueError where the loader gives another number of pictures, or in another
    order (shuffled), and TypeError for batches that aren't any.
    """
    from tlkit.arguments import check_count
    from tlkit.features.extract import extract_features

    check_count("n_seeds", n_seeds, 2)
    n_pictures = len(images)
    if len(np.unique(images.labels)) < 2:
        raise ValueError("images: pictures of fewer than two classes, expected two or more for the probes")
    places = np.unique(np.linspace(0, n_pictures - 1, _N_EXPLAINED).round().astype(int))
    right = np.stack([backbone.preprocess(images.read(place)) for place in places])
    some, values, channels_last, difference = _read_loader(loader, backbone, images, places)
    again = None if iter(loader) is loader else _read_some(loader, images, places)
    _check_order([some] if again is None else [some, again], right)
    random = again is not None and not np.array_equal(some, again)
    mismatches = {}
    if channels_last:
        mismatches["channels last"] = "(height, width, channels): the network wants the channels first"
    if random or not difference <= _TOLERANCE:
        fit = explain(some, [images.read(place) for place in places], backbone.recipe)
        mismatches |= name_mismatches(fit, backbone.recipe, random=random)
    own = extract_features(backbone, images, progress=progress).values
    # Where nothing is wrong the rest of the digits makes no difference that a probe could see.
    cost = _measure_cost(own, values if mismatches else own, images, n_seeds)
    return PreprocessingCheck(not mismatches, mismatches, difference, n_pictures, **cost)


def _read_loader(loader, backbone, images, places):
    """Return (tensors of some pictures, features of all or None, whether channels are last, largest difference)."""
    import torch

    device = next(backbone.parameters()).device
    modes = {module: module.training for module in backbone.modules()}
    some, features, start, channels_last, largest = [], [], 0, False, 0.0
    backbone.eval()
    try:
        for batch, labels in map(_take_apart, loader):
            turned = _find_channels(batch)
            channels_last |= turned
            batch = batch.transpose(0, 3, 1, 2) if turned else batch
            end = start + len(batch)
            if end > len(images):
                raise ValueError(f"loader: more than the {len(images)} pictures of images")
            if labels is not None and not np.array_equal(labels, images.labels[start:end]):
                raise ValueError(
                    "loader: its labels are not those of images in their order: take shuffle=False and the same classes"
                )
            some.append(batch[[place - start for place in places if start <= place < end]])
            largest = _find_largest(largest, batch, backbone, images, start)
            if features is not None:
                features = _append(features, backbone, torch.from_numpy(np.ascontiguousarray(batch)).float().to(device))
            start = end
    finally:
        for module, training in modes.items():
            module.training = training
    if start != len(images):
        raise ValueError(
            f"loader: {start} pictures, expected the {len(images)} of images, in their order; "
            "drop_last=False keeps the last batch"
        )
    values = None if features is None else np.concatenate(features)
    return _join(some), values, channels_last, largest


def _append(features, backbone, batch):
    import torch

    try:
        with torch.inference_mode():
            return [*features, backbone(batch).float().cpu().numpy()]
    except RuntimeError:  # torch's word for a size that a layer can't take
        return None


def _find_largest(largest, batch, backbone, images, start):
    side = backbone.image_size_px
    if batch.shape[2:] != (side, side) or np.isnan(largest):
        return np.nan
    right = np.stack([backbone.preprocess(images.read(start + place)) for place in range(len(batch))])
    return max(largest, float(np.abs(batch - right).max()))


def _read_some(loader, images, places):
    some, start = [], 0
    for batch, _ in map(_take_apart, loader):
        batch = batch.transpose(0, 3, 1, 2) if _find_channels(batch) else batch
        some.append(batch[[place - start for place in places if start <= place < start + len(batch)]])
        start += len(batch)
    return _join(some)


def _join(some):
    sizes = sorted({part.shape[2:] for part in some})
    if len(sizes) > 1:
        raise ValueError(f"loader: batches of several sizes, {' and '.join(map(str, sizes))}, expected one")
    return np.concatenate(some)


def _take_apart(item):
    labels = None
    if isinstance(item, (tuple, list)) and len(item) == 2:
        item, labels = item
    batch = np.asarray(item.detach().cpu() if hasattr(item, "detach") else item)
    if batch.ndim != 4 or batch.dtype.kind not in "fiu" or not len(batch):
        raise TypeError(
            f"loader: gave {type(item).__name__} of shape {batch.shape}, expected batches (n, 3, height, width) of "
            "numbers, or pairs of a batch and labels"
        )
    return batch, None if labels is None else np.asarray(labels)


def _find_channels(batch):
    if batch.shape[1] == 3:
        return False
    if batch.shape[3] == 3:
        return True
    raise TypeError(f"loader: batches of shape {batch.shape}, expected (n, 3, height, width): three channels")


def _check_order(passes, right):
    """Refuse tensors that look no more like their own pictures than in some other order.

    Augmented ones may look little like them; that is why all passes count, and colours beside shapes.
    """
    n_pictures, random = len(right), np.random.default_rng(0)
    orders = [random.permutation(n_pictures) for _ in range(_N_ORDERS)]
    chances = []
    for swapped in (right, right[:, ::-1]):  # red and blue may have changed places
        alike = sum(_shrink(given) @ _shrink(right).T + _average(given) @ _average(swapped).T for given in passes)
        others = [alike[np.arange(n_pictures), order].sum() for order in orders]
        chances.append(np.mean(others >= np.trace(alike)))
    if n_pictures > 3 and min(chances) > _LARGEST_CHANCE:
        raise ValueError("loader: its pictures are not those of images in their order: take shuffle=False")


def _shrink(tensors):
    # Columns are put together with their mirror images, so that a mirrored picture is still itself.
    height, width = tensors.shape[2:]
    rows, columns = (np.arange(8) * side // 8 for side in (height, width))
    coarse = np.add.reduceat(np.add.reduceat(tensors.mean(axis=1, dtype=float), rows, axis=1), columns, axis=2)
    coarse = (coarse + coarse[:, :, ::-1]).reshape(len(tensors), -1)
    coarse -= coarse.mean(axis=1, keepdims=True)
    return coarse / np.maximum(np.linalg.norm(coarse, axis=1, keepdims=True), 1e-12)


def _average(tensors):
    # Less the mean of all pictures, so that it doesn't matter how values are standardised.
    colours = tensors.mean(axis=(2, 3), dtype=float)
    colours -= colours.mean(axis=0)
    return colours / np.maximum(np.linalg.norm(colours, axis=1, keepdims=True), 1e-12)


def _measure_cost(own, given, images, n_seeds):
    from tlkit.selection.transferability import predict_unseen

    arms = {"tested": (own, given), "both": (given, given)} if given is not None else {}
    labels = np.unique(images.labels, return_inverse=True)[1]

    def measure(learned, tested):
        # (n_seeds, n_pictures): whether each was labelled right
        predicted = [predict_unseen(learned, tested, labels, images.groups, seed=seed) for seed in range(n_seeds)]
        return (np.stack(predicted) == labels).astype(float)

    right = measure(own, own)
    numbers = {"accuracy": float(right.mean())}
    for name in ("tested", "both"):
        changes = (np.nan,) * 4
        if name in arms:
            scored = right if given is own else measure(*arms[name])
            change = scored - right
            changes = (scored.mean(), change.mean(), *two_way_interval(change, images.groups))
        fields = (f"accuracy_{name}", f"change_{name}", f"change_{name}_low", f"change_{name}_high")
        numbers |= dict(zip(fields, map(float, changes), strict=True))
    return numbers


def _format_change(change, low, high):
    verdict = give_verdict(low, high)
    return f"{change:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}: {verdict}"
