"""Two small pictures laid over each other, and how alike they are where they are least alike. Without torch."""

import numpy as np

SIDE_PX = 32  # of the squares that are compared; a drawing's mouth and eyes can still be told apart
_STEPS = ((7, 4), (3, 3), (1, 4))  # blur in pixels, number of steps: a thin line is met only where it is wide
_N_AT_ONCE = 64  # so that what a step needs stays in the processor's cache
_WINDOW_PX = 8
_QUANTILE = 0.05  # not the very worst place, where two crops of one picture may differ
_FLOOR = 0.05  # of a window's variance, a share of the picture's: below it lies what JPEG adds
_BURNT = 250  # gray levels from which on brightening may have been cut off
_MOST_GAIN = 1.3
_LEAST_CORRELATION = 0.85  # of two pictures once aligned; copies that were brightened until they burn out have 0.91


def compare_aligned(first, second, boxes):
    """Move and stretch the second picture of each pair onto the first, and say how alike they are everywhere.

    The box of the second picture that shows the first is improved by Gauss-Newton steps (Lucas and Kanade 1981), then
    windows are compared: 1 less the squared difference of both, as a share of what happens in them. A picture of
    another thing differs somewhere, a copy hardly anywhere, so that a low quantile of windows tells them apart where
    a correlation doesn't: all round yellow faces correlate. We compare as they are, and with the darker one brightened
    as much as the other seems to be, by 30 % at most, since what is white already stays white.

    Arguments
    ---------
    first, second: (n, side, side, 3) float32
        From 0 to 255.
    boxes: (n, 4) float
        Left, top, width, height of the part of the second that shows about what the first shows, in shares of the side.

    Returns (n,) float64, 1 for the same picture, 0 or less for those that don't correlate even when aligned.

    >>> pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    >>> whole = np.array([[0.0, 0.0, 1.0, 1.0]])
    >>> compare_aligned(pictures[:1], pictures[:1], whole).round(2).tolist()
    [1.0]
    >>> bool(compare_aligned(pictures[:1], pictures[1:], whole)[0] < 0.2)
    True
    """
    parts = [slice(start, start + _N_AT_ONCE) for start in range(0, len(first), _N_AT_ONCE)]
    compared = [_compare(first[part], second[part], np.asarray(boxes[part], float)) for part in parts]
    return np.concatenate([np.empty(0), *compared])


def _compare(first, second, boxes):
    first_shown = _sample(first, np.tile([0.0, 0.0, 1.0, 1.0], (len(first), 1)))
    # Where a picture lies is seen without its colours, and three times as fast.
    boxes, correlations = _align(*(shown.mean(axis=3, keepdims=True) for shown in (first_shown, second)), boxes)
    alike = np.zeros(len(first))
    near = np.flatnonzero(correlations >= _LEAST_CORRELATION)
    if len(near):
        both = first_shown[near], _sample(second[near], boxes[near])
        alike[near] = np.maximum(_compare_windows(*both), _compare_windows(*_brighten(*both)))
    return alike


def _brighten(first, second):
    """Return both pictures, the darker one brightened as much as the other seems to have been."""
    axes = (1, 2, 3)
    kept = (first < _BURNT) & (second < _BURNT)
    gain = np.sum(first * second, axis=axes, where=kept) / (np.sum(second**2, axis=axes, where=kept) + 1e-6)
    gain = np.clip(np.where(kept.any(axis=axes), gain, 1), 1 / _MOST_GAIN, _MOST_GAIN)[:, None, None, None]
    return np.minimum(first * np.maximum(1, 1 / gain), 255), np.minimum(second * np.maximum(1, gain), 255)


def _align(first, second, boxes):
    """Return the improved boxes, (n, 4), and the correlation of what they show with the first, (n,)."""
    places = ((np.arange(SIDE_PX) + 0.5) / SIDE_PX).astype(np.float32)
    across, down = places[None, None, :, None], places[None, :, None, None]
    standard = _standardise(first)

    def measure_error(shown):
        return np.mean((standard - _standardise(shown)) ** 2, axis=(1, 2, 3))

    best, least = boxes, measure_error(_sample(second, boxes))
    for blur_px, n_steps in _STEPS:
        boxes, sharp, wanted = best, _sample(second, best), _standardise(_blur(first, blur_px))
        for _ in range(n_steps):
            shown = _standardise(_blur(sharp, blur_px))
            difference = (wanted - shown).reshape(len(first), -1)
            slope_down, slope_across = np.gradient(shown, np.float32(1 / SIDE_PX), axis=(1, 2))
            slopes = [slope_across, slope_down, slope_across * across, slope_down * down]
            slopes = np.stack([slope.reshape(len(first), -1) for slope in slopes], axis=1)
            # The slope of what is shown is that of the second picture times the share of it that is shown.
            slopes /= boxes[:, [2, 3, 2, 3], None].astype(np.float32)
            # A little of the identity, for pictures that are flat along a direction.
            curvature = slopes @ slopes.transpose(0, 2, 1) + 1e-3 * slopes.shape[2] * np.eye(4, dtype=np.float32)
            boxes = boxes + np.linalg.solve(curvature, slopes @ difference[:, :, None])[:, :, 0]
            boxes = np.concatenate([np.clip(boxes[:, :2], -0.2, 0.3), np.clip(boxes[:, 2:], 0.75, 1.15)], axis=1)
            sharp = _sample(second, boxes)
            error = measure_error(sharp)
            best, least = np.where((error < least)[:, None], boxes, best), np.minimum(error, least)
    return best, 1 - least / 2  # both have a mean of 0 and a variance of 1


def _sample(pictures, boxes):
    """Return (n, SIDE_PX, SIDE_PX, c): what the boxes show, by linear interpolation; beyond the edge, the edge."""
    n, side, _, n_channels = pictures.shape
    places = (np.arange(SIDE_PX) + 0.5) / SIDE_PX

    def weigh(start, extent):
        pixels = np.clip((start[:, None] + extent[:, None] * places) * side - 0.5, 0, side - 1)
        return np.maximum(0, 1 - np.abs(pixels[:, :, None] - np.arange(side))).astype(np.float32)

    rows = (weigh(boxes[:, 1], boxes[:, 3]) @ pictures.reshape(n, side, -1)).reshape(n, SIDE_PX, side, n_channels)
    columns = weigh(boxes[:, 0], boxes[:, 2]) @ rows.transpose(0, 2, 1, 3).reshape(n, side, -1)
    return columns.reshape(n, SIDE_PX, SIDE_PX, n_channels).transpose(0, 2, 1, 3)


def _standardise(pictures):
    centred = pictures - pictures.mean(axis=(1, 2, 3), keepdims=True)
    return centred / (centred.std(axis=(1, 2, 3), keepdims=True) + 1e-6)


def _blur(pictures, size_px):
    from scipy.ndimage import uniform_filter

    return uniform_filter(pictures, size=(1, size_px, size_px, 1), mode="nearest") if size_px > 1 else pictures


def _compare_windows(first, second):
    def mean(values):
        return _blur(values, _WINDOW_PX).mean(axis=3)

    first, second = _standardise(first), _standardise(second)
    variance = sum(mean(picture**2) - mean(picture) ** 2 for picture in (first, second))
    alike = 1 - mean((first - second) ** 2) / (variance + _FLOOR)
    return np.quantile(alike.reshape(len(alike), -1), _QUANTILE, axis=1)
