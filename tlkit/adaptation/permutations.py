"""Whether a gap between two domains is more than chance: a permutation test over groups of pictures. Without torch."""

import dataclasses
import functools

import numpy as np

from tlkit.adaptation.distances import check_kernel, distance_coral, distance_mmd, distance_proxy_a
from tlkit.adaptation.split_distances import measure_coral, measure_mmd, measure_proxy_a
from tlkit.arguments import check_count, check_groups, check_pair


@dataclasses.dataclass(frozen=True, eq=False)
class Gap:
    """A distance between two domains beside what chance gives; `permute_gap` makes one.

    Arguments
    ---------
    distance: float
    null: (n_permutations,) float64
        The distances of the same groups with their domains exchanged at random.
    """

    distance: float
    null: np.ndarray

    @property
    def p_value(self):
        """The share of divisions, the true one among them, whose distance is at least that of the true one."""
        return float((1 + np.sum(self.null >= self.distance)) / (1 + len(self.null)))

    def __repr__(self):
        return f"Gap({self.distance:.4g}, p = {self.p_value:.3f} of {len(self.null)} permutations)"


def permute_gap(distance, source, target, source_groups=None, target_groups=None, n_permutations=199, seed=0):
    """Test whether a distance between two domains is larger than that of the same groups dealt out at random.

    Gretton et al. 2012 (A kernel two-sample test) permute samples. Pictures of one group resemble each other, so that
    permuted pictures would call any two sets of groups different; here a group changes sides whole. The two parts of a
    group that both domains have change places with each other, as in a paired test.

    Arguments
    ---------
    distance: callable
        `distance(source, target)`, a float: one of this folder, whose settings functools.partial gives, or one's own,
        which is called for every permutation.
    source: (n, d)
    target: (m, d)
    source_groups: (n,), optional
        Without groups each picture is one of its own.
    target_groups: (m,), optional
    n_permutations: int
        The smallest p-value that can come is 1 / (n_permutations + 1).
    seed: int

    Returns a `Gap`. Raises TypeError or ValueError for what can't be features of two domains, or where there are too
    few groups to exchange.

    >>> here = np.random.default_rng(0).normal(size=(20, 2))
    >>> permute_gap(distance_mmd, here, here + 3).p_value
    0.005
    """
    source, target = check_pair(source, target)
    n_permutations, seed = check_count("n_permutations", n_permutations, 1), check_count("seed", seed, 0)
    groups = check_groups(source_groups, target_groups, len(source), len(target))
    is_target = np.repeat([False, True], [len(source), len(target)])
    sides = exchange_groups(groups, is_target, n_permutations, seed)
    distances = _find_measure(distance, seed)(np.concatenate([source, target]), sides, groups)
    return Gap(float(distances[0]), distances[1:])


def exchange_groups(groups, is_target, n_permutations, seed):
    """Return divisions of the same pictures, (n, 1 + n_permutations) bool: first the true one, then random ones.

    Arguments
    ---------
    groups: (n,) int
    is_target: (n,) bool
    n_permutations: int
    seed: int

    Raises ValueError where nothing can be exchanged, or a side would be left with less than two pictures.

    >>> np.unique(exchange_groups(np.array([0, 0, 1, 1]), np.arange(4) > 1, 9, seed=0), axis=1).T.astype(int)
    array([[0, 0, 1, 1],
           [1, 1, 0, 0]])
    """
    random = np.random.default_rng(seed)
    numbers = np.unique(groups, return_inverse=True)[1]
    n_target = np.bincount(numbers, weights=is_target)
    n_pictures = np.bincount(numbers)
    shared = (n_target > 0) & (n_target < n_pictures)
    own = np.flatnonzero(~shared)
    own_sides = n_target[own] > 0
    if not shared.any() and len(np.unique(own_sides)) < 2:
        raise ValueError("groups: all pictures are of one domain, expected groups of both")
    sides = np.empty((len(numbers), 1 + n_permutations), bool)
    sides[:, 0] = is_target
    side_of, swaps = np.zeros(len(n_target), bool), np.zeros(len(n_target), bool)
    for place in range(1, 1 + n_permutations):
        side_of[own] = random.permutation(own_sides)
        swaps[shared] = random.random(shared.sum()) < 0.5
        sides[:, place] = np.where(shared[numbers], is_target ^ swaps[numbers], side_of[numbers])
    n_least = np.minimum(sides.sum(axis=0), (~sides).sum(axis=0)).min()
    if n_least < 2:
        raise ValueError(
            f"groups: of {len(n_target)} groups with up to {n_pictures.max()} pictures a division leaves {n_least} "
            "pictures on a side, expected two or more: add groups"
        )
    return sides


def _find_measure(distance, seed):
    """Return the function of (values, sides, groups) that computes a distance for all divisions."""
    function, settings = distance, {}
    if isinstance(distance, functools.partial) and not distance.args:
        function, settings = distance.func, distance.keywords
    if function is distance_mmd:
        kernel, bandwidth = settings.get("kernel", "gaussian"), settings.get("bandwidth")
        check_kernel(kernel, bandwidth)
        return lambda values, sides, groups: measure_mmd(values, sides, kernel, bandwidth)
    if function is distance_coral:
        return lambda values, sides, groups: measure_coral(values, sides)
    if function is distance_proxy_a:
        return lambda values, sides, groups: measure_proxy_a(values, sides, groups, settings.get("seed", seed))
    return lambda values, sides, groups: np.array([float(distance(values[~side], values[side])) for side in sides.T])
