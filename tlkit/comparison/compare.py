"""`compare`: strategies on the same splits and seeds. Without torch until it runs."""

from tlkit.comparison.arms import HAND_MADE
from tlkit.comparison.results import summarise
from tlkit.comparison.runner import (
    DEFAULT_SIZE_PX,
    N_FOLDS,
    check_arms,
    check_numbers,
    describe_arms,
    load_network,
    run_cells,
)
from tlkit.comparison.workers import check_workers

DEFAULT_STRATEGIES = ("from_scratch", HAND_MADE, "linear_probe", "fine_tune", "lp_ft")


def compare(
    backbone="efficientnet_lite0",
    images=None,
    strategies=DEFAULT_STRATEGIES,
    shots=(5,),
    seeds=N_FOLDS,
    *,
    image_size_px=DEFAULT_SIZE_PX,
    baseline=None,
    progress=True,
    n_workers=1,
):
    """Train each strategy at each number of shots with each seed, all arms of a seed on the same pictures.

    A seed draws everything: the test fold (seed modulo 5), the shots from the other four, random weights, order and
    augmentation.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
    images: ImageSet, optional
        By default the bundled clip-art.
    strategies: list of str, Strategy or Probe
        "hand_made" is a ridge on histograms of gradients and colours, without a network. Features that need no
        training are computed once, before all runs, and aren't in their duration_s.
    shots: list of int
        Training pictures a class; a class that has fewer gives all it has.
    seeds: int or list of int
        A number n stands for 0 to n - 1; use each fold equally often: 5, 10, …
    image_size_px: int
        At which a backbone given by name is loaded; a `Backbone` keeps its own.
    baseline: str, optional
        What gains are against; by default "from_scratch", or else the first strategy.
    progress: bool
    n_workers: int
        How many runs are trained at a time, each in a process of its own that has its share of the processors: small
        networks keep no more than one or two busy. Each takes about 300 MiB beside what this one takes. Only on Linux,
        and before this process uses OpenVINO or a GPU. Sums of more threads differ in their last bits, and so the same
        seed may come to other results with another number.

    Returns a `Comparison`. Ctrl-C ends it and returns the seeds that were done by all arms, if there is one.
    """
    from tlkit.images import load_images

    n_workers = check_workers(n_workers)
    images = load_images("styles", domain="clipart") if images is None else images
    backbone = load_network(backbone, image_size_px)
    arms = check_arms(strategies, backbone, 2)
    shots, seeds = check_numbers("shots", shots, 1), check_numbers("seeds", seeds, 0)
    if baseline is None:
        baseline = "from_scratch" if "from_scratch" in arms else next(iter(arms))
    if baseline not in arms:
        raise ValueError(f"baseline: {baseline!r} is not compared; there are {', '.join(arms)}")
    rows, predictions = run_cells(
        backbone, images, arms, shots, seeds, title="compare", progress=progress, n_workers=n_workers
    )
    return summarise(rows, predictions, baseline, describe_arms(backbone, images, arms))
