"""A loader's batches: read once for everything that is compared, and checked for the order of the pictures."""

import numpy as np

from tlkit.arguments import read_array

# Number of random orders that the loader's order is compared with, and the share of them that may fit as well.
_N_ORDERS, _MAX_SHARE = 1000, 0.01


def read_loader(loader, backbone, images, indices):
    """Return (examined tensors, features of all or None, whether channels come last, largest difference)."""
    import torch

    from tlkit.backbones.backbone import copy_modules

    device = next(backbone.parameters()).device
    examined, features, end, channels_last, largest = [], [], 0, False, 0.0
    backbone = copy_modules(backbone)
    for start, batch, labels, is_last in _read_batches(loader):
        end, channels_last = start + len(batch), channels_last | is_last
        if end > len(images):
            raise ValueError(f"loader: more than the {len(images)} pictures of images")
        if labels is not None and not np.array_equal(labels, images.labels[start:end]):
            found = "its labels are not those of images in their order"
            raise ValueError(f"loader: {found}: use shuffle=False and the same classes")
        examined.append(_select(batch, start, indices))
        if batch.shape[2:] == (backbone.image_size_px,) * 2 and not np.isnan(largest):
            expected = np.stack([backbone.preprocess(images.read(start + row)) for row in range(len(batch))])
            largest = max(largest, float(np.abs(batch - expected).max()))
        else:
            largest = np.nan
        if features is not None:
            try:
                with torch.inference_mode():
                    tensor = torch.from_numpy(np.ascontiguousarray(batch)).float().to(device)
                    features.append(backbone(tensor).float().cpu().numpy())
            except RuntimeError:  # torch's error if a layer can't process a size
                features = None
    if end != len(images):
        raise ValueError(f"loader: {end} pictures, expected the {len(images)} of images: use drop_last=False")
    values = None if features is None else np.concatenate(features)
    return _join(examined), values, channels_last, largest


def read_examined(loader, indices):
    """Return the examined tensors (m, 3, height, width) of another pass over the loader."""
    return _join([_select(batch, start, indices) for start, batch, _, _ in _read_batches(loader)])


def _read_batches(loader):
    """Yield (index of the first picture, batch (n, 3, height, width), labels or None, whether channels came last)."""
    start = 0
    for item in loader:
        labels = None
        if isinstance(item, (tuple, list)) and len(item) == 2:
            item, labels = item
        batch = read_array("loader", item)
        if batch.ndim != 4 or batch.dtype.kind not in "fiu" or not len(batch):
            found = f"gave {type(item).__name__} of shape {batch.shape}"
            raise TypeError(f"loader: {found}, expected batches (n, 3, height, width), or pairs with labels")
        is_last = batch.shape[1] != 3
        if is_last and batch.shape[3] != 3:
            raise TypeError(f"loader: batches of shape {batch.shape}, expected (n, 3, height, width): three channels")
        batch = batch.transpose(0, 3, 1, 2) if is_last else batch
        yield start, batch, None if labels is None else read_array("loader", labels), is_last
        start += len(batch)


def _select(batch, start, indices):
    """Return the pictures of a batch that are among the examined indices; the batch begins with picture `start`."""
    return batch[[index - start for index in indices if start <= index < start + len(batch)]]


def _join(parts):
    """Return parts of batches (n, 3, height, width) as one array; ValueError if their sizes differ."""
    sizes = sorted({part.shape[2:] for part in parts})
    if len(sizes) > 1:
        raise ValueError(f"loader: batches of several sizes, {' and '.join(map(str, sizes))}, expected one")
    return np.concatenate(parts)


def check_order(passes, expected):
    """Raise ValueError if tensors (m, 3, height, width) match their pictures no better than in random orders."""
    # Augmented pictures resemble the originals only a little, so all passes count, and colours as well as shapes.
    n_pictures, random = len(expected), np.random.default_rng(0)
    orders = [random.permutation(n_pictures) for _ in range(_N_ORDERS)]
    shares = []
    for swapped in (expected, expected[:, ::-1]):  # the loader may give BGR
        similarity = sum(_shrink(one) @ _shrink(expected).T + _average(one) @ _average(swapped).T for one in passes)
        others = [similarity[np.arange(n_pictures), order].sum() for order in orders]
        shares.append(np.mean(others >= np.trace(similarity)))
    if n_pictures > 3 and min(shares) > _MAX_SHARE:
        raise ValueError("loader: its pictures are not those of images in their order: use shuffle=False")


def _shrink(tensors):
    """Return coarse gray shapes (m, 64) of norm 1."""
    # Columns are added to their mirror images, so that a mirrored picture still matches itself.
    height, width = tensors.shape[2:]
    rows, columns = (np.arange(8) * side // 8 for side in (height, width))
    coarse = np.add.reduceat(np.add.reduceat(tensors.mean(axis=1, dtype=float), rows, axis=1), columns, axis=2)
    coarse = (coarse + coarse[:, :, ::-1]).reshape(len(tensors), -1)
    coarse -= coarse.mean(axis=1, keepdims=True)
    return coarse / np.maximum(np.linalg.norm(coarse, axis=1, keepdims=True), 1e-12)


def _average(tensors):
    """Return mean colours (m, 3) of norm 1."""
    # Minus the mean over pictures, so that the standardisation does not matter.
    colours = tensors.mean(axis=(2, 3), dtype=float)
    colours -= colours.mean(axis=0)
    return colours / np.maximum(np.linalg.norm(colours, axis=1, keepdims=True), 1e-12)
