"""Two small pictures aligned with each other, and their similarity in the least similar windows. Without torch."""

import numpy as np

SIDE_PX = 32  # of the compared squares, in which the eyes of a drawn face are still visible
_STEPS = ((7, 4), (3, 3), (1, 4))  # blur in pixels, number of steps
_N_AT_ONCE = 64  # the data of a step then fits into the processor's cache
_WINDOW_PX = 8
_QUANTILE = 0.05  # not the very worst window, in which two crops of one picture may differ
_FLOOR = 0.05  # of a window's variance, as a share of the picture's: JPEG artefacts lie below it
_SATURATED = 250  # gray level above which brightening may have clipped values
_MAX_GAIN = 1.3
_MIN_CORRELATION = 0.85  # of aligned pictures; copies that were brightened until they saturate reach 0.91


def compare_aligned(first, second, boxes):
    """Return the similarity (n,) float64 of pairs of pictures (n, side, side, 3), 0 to 255, after alignment."""
    # `boxes` (n, 4) are the parts of the second pictures that show the first: left, top, width, height as shares. They
    # are refined, then windows are compared: 1 minus the squared difference over the variance within. A low quantile
    # over windows separates copies from other pictures better than a correlation: all round yellow faces correlate.
    parts = [slice(start, start + _N_AT_ONCE) for start in range(0, len(first), _N_AT_ONCE)]
    compared = [_compare(first[part], second[part], np.asarray(boxes[part], float)) for part in parts]
    return np.concatenate([np.empty(0), *compared])


def _compare(first, second, boxes):
    """Return the similarity (n,) of a few pairs: 1 if they are equal, 0 if they do not correlate once aligned."""
    first_shown = _sample(first, np.tile([0.0, 0.0, 1.0, 1.0], (len(first), 1)))
    # Gray values suffice for the alignment, and take a third of the time.
    boxes, correlations = _align(*(shown.mean(axis=3, keepdims=True) for shown in (first_shown, second)), boxes)
    similarity = np.zeros(len(first))
    near = np.flatnonzero(correlations >= _MIN_CORRELATION)
    if len(near):
        both = first_shown[near], _sample(second[near], boxes[near])
        similarity[near] = np.maximum(_compare_windows(*both), _compare_windows(*_brighten(*both)))
    return similarity


def _brighten(first, second):
    """Return both pictures, the darker one brightened to match the other, by 30 % at most; white stays white."""
    axes = (1, 2, 3)
    kept = (first < _SATURATED) & (second < _SATURATED)
    gain = np.sum(first * second, axis=axes, where=kept) / (np.sum(second**2, axis=axes, where=kept) + 1e-6)
    gain = np.clip(np.where(kept.any(axis=axes), gain, 1), 1 / _MAX_GAIN, _MAX_GAIN)[:, None, None, None]
    return np.minimum(first * np.maximum(1, 1 / gain), 255), np.minimum(second * np.maximum(1, gain), 255)


def _align(first, second, boxes):
    """Return the refined boxes (n, 4), and the correlation (n,) of their content with the first pictures."""
    # Gauss-Newton steps (Lucas and Kanade 1981): the content of a box is linearised in the box's four numbers by the
    # slopes of the picture, and least squares give the step that removes the difference. It goes from strong to no
    # blur, since thin lines overlap only if both are wide. The best box so far is kept.
    centres = ((np.arange(SIDE_PX) + 0.5) / SIDE_PX).astype(np.float32)
    across, down = centres[None, None, :, None], centres[None, :, None, None]
    standard = _standardise(first)

    def measure_error(shown):
        return np.mean((standard - _standardise(shown)) ** 2, axis=(1, 2, 3))

    best, least = boxes, measure_error(_sample(second, boxes))
    for blur_px, n_steps in _STEPS:
        boxes, sharp, target = best, _sample(second, best), _standardise(_blur(first, blur_px))
        for _ in range(n_steps):
            shown = _standardise(_blur(sharp, blur_px))
            difference = (target - shown).reshape(len(first), -1)
            slope_down, slope_across = np.gradient(shown, np.float32(1 / SIDE_PX), axis=(1, 2))
            # Derivatives by left, top, width, height: the slope of the second picture times its share in the box.
            slopes = [slope_across, slope_down, slope_across * across, slope_down * down]
            slopes = np.stack([slope.reshape(len(first), -1) for slope in slopes], axis=1)
            slopes /= boxes[:, [2, 3, 2, 3], None].astype(np.float32)
            # A small multiple of the identity regularises pictures without structure in a direction.
            curvature = slopes @ slopes.transpose(0, 2, 1) + 1e-3 * slopes.shape[2] * np.eye(4, dtype=np.float32)
            boxes = boxes + np.linalg.solve(curvature, slopes @ difference[:, :, None])[:, :, 0]
            boxes = np.concatenate([np.clip(boxes[:, :2], -0.2, 0.3), np.clip(boxes[:, 2:], 0.75, 1.15)], axis=1)
            sharp = _sample(second, boxes)
            error = measure_error(sharp)
            best, least = np.where((error < least)[:, None], boxes, best), np.minimum(error, least)
    return best, 1 - least / 2  # the correlation, since both have mean 0 and variance 1


def _sample(pictures, boxes):
    """Return (n, SIDE_PX, SIDE_PX, c): the content of the boxes by linear interpolation; edges continue outside."""
    n, side, _, n_channels = pictures.shape
    centres = (np.arange(SIDE_PX) + 0.5) / SIDE_PX

    def weigh(start, extent):
        pixels = np.clip((start[:, None] + extent[:, None] * centres) * side - 0.5, 0, side - 1)
        return np.maximum(0, 1 - np.abs(pixels[:, :, None] - np.arange(side))).astype(np.float32)

    rows = (weigh(boxes[:, 1], boxes[:, 3]) @ pictures.reshape(n, side, -1)).reshape(n, SIDE_PX, side, n_channels)
    columns = weigh(boxes[:, 0], boxes[:, 2]) @ rows.transpose(0, 2, 1, 3).reshape(n, side, -1)
    return columns.reshape(n, SIDE_PX, SIDE_PX, n_channels).transpose(0, 2, 1, 3)


def _standardise(pictures):
    """Return pictures (n, height, width, c), each with mean 0 and standard deviation 1."""
    centred = pictures - pictures.mean(axis=(1, 2, 3), keepdims=True)
    return centred / (centred.std(axis=(1, 2, 3), keepdims=True) + 1e-6)


def _blur(pictures, size_px):
    """Return pictures (n, height, width, c) averaged over squares of `size_px`."""
    from scipy.ndimage import uniform_filter

    return uniform_filter(pictures, size=(1, size_px, size_px, 1), mode="nearest") if size_px > 1 else pictures


def _compare_windows(first, second):
    """Return the low quantile (n,) over windows of the similarity of pictures (n, SIDE_PX, SIDE_PX, c)."""

    def mean(values):
        return _blur(values, _WINDOW_PX).mean(axis=3)

    first, second = _standardise(first), _standardise(second)
    variance = sum(mean(picture**2) - mean(picture) ** 2 for picture in (first, second))
    similarity = 1 - mean((first - second) ** 2) / (variance + _FLOOR)
    return np.quantile(similarity.reshape(len(similarity), -1), _QUANTILE, axis=1)
