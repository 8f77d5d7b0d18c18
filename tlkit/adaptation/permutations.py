"""Permutation test over groups of pictures: is a gap between two domains more than chance? Without torch."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tlkit.adaptation.distances import check_kernel, distance_coral, distance_mmd, distance_proxy_a
from tlkit.adaptation.split_distances import measure_coral, measure_mmd, measure_proxy_a
from tlkit.arguments import check_count
from tlkit.features.arrays import check_groups, check_pair


@dataclasses.dataclass(frozen=True, eq=False)
class Gap:
    """Hold a distance between two domains and its null distribution, from `permute_gap`.

    Parameters
    ----------
    distance : float
        The distance between the domains.
    null : (n_permutations,) float64 array
        Distances after the same groups are assigned to domains at random.

    Examples
    --------
    >>> Gap(3.0, np.array([1.0, 2.0, 4.0]))
    Gap(3, p = 0.500 of 3 permutations)
    """

    distance: float
    null: np.ndarray

    @property
    def p_value(self) -> float:
        """Share of divisions, including the true one, with at least the true distance."""
        return float((1 + np.sum(self.null >= self.distance)) / (1 + len(self.null)))

    def __repr__(self) -> str:
        return f"Gap({self.distance:.4g}, p = {self.p_value:.3f} of {len(self.null)} permutations)"


def permute_gap(
    distance: Callable[[np.ndarray, np.ndarray], float],
    source: ArrayLike,
    target: ArrayLike,
    source_groups: ArrayLike | None = None,
    target_groups: ArrayLike | None = None,
    n_permutations: int = 199,
    seed: int = 0,
) -> Gap:
    """Test if a distance between two domains is larger than if groups are assigned at random.

    Parameters
    ----------
    distance : callable
        `distance(source, target)` returns a float. Distances of `tlkit.adaptation`, also with settings given by
        functools.partial, are computed for all permutations at once.
    source, target : (n, d) and (m, d) array_like
        Features of both domains.
    source_groups, target_groups : (n,) and (m,) array_like, optional
        Groups that change sides as a whole. By default each picture is its own group.
    n_permutations : int, default 199
        The smallest possible p-value is 1 / (n_permutations + 1).
    seed : int, default 0
        Seed of the permutations.

    Returns
    -------
    Gap
        The distance, its null distribution and p-value.

    Raises
    ------
    TypeError, ValueError
        If the features are invalid or there are too few groups.

    Notes
    -----
    The paper permutes samples. Pictures of one group resemble each other, so permuted pictures would make any two sets
    of groups look different. If both domains contain a group, its two parts change places, as in a paired test.

    References
    ----------
    Gretton et al., 2012. A kernel two-sample test.

    Examples
    --------
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
    """Return (n, 1 + n_permutations) bool divisions of pictures in (n,) groups: the true one, then random ones.

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
    # Groups of one domain permute their sides; the two parts of a shared group change places or stay.
    side_of, swaps = np.zeros(len(n_target), bool), np.zeros(len(n_target), bool)
    for column in range(1, 1 + n_permutations):
        side_of[own] = random.permutation(own_sides)
        swaps[shared] = random.random(shared.sum()) < 0.5
        sides[:, column] = np.where(shared[numbers], is_target ^ swaps[numbers], side_of[numbers])
    n_least = np.minimum(sides.sum(axis=0), (~sides).sum(axis=0)).min()
    if n_least < 2:
        raise ValueError(
            f"groups: of {len(n_target)} groups with up to {n_pictures.max()} pictures a division leaves {n_least} "
            "pictures on a side, expected two or more: add groups"
        )
    return sides


def _find_measure(distance, seed):
    """Return the function of (n, d) values, (n, k) sides and (n,) groups that computes k distances."""
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
