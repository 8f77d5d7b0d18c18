"""The gain of augmentations at five shots over no augmentation, paired by seed. Prints gains with intervals."""

import argparse
import time
import warnings

from machine import describe_machine, use_cores


def main():
    """Compare on digits with a small network from random weights, and on clip-art with a pretrained one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=["digits", "clipart"], default="digits")
    parser.add_argument("--policies", nargs="+", default=["rand_augment", "flip"], help="several joined by +")
    parser.add_argument("--seeds", type=int, default=10, help="best a multiple of five, the number of folds")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--shots", type=int, default=5, help="training pictures per class")
    parser.add_argument("--cores", type=int, help="use only so many cores; by default all")
    arguments = parser.parse_args()
    use_cores(arguments.cores)
    print(describe_machine())
    warnings.filterwarnings("ignore", message="shots: ")
    import tlkit as tl

    backbone, images, strategy = {"digits": make_digits, "clipart": make_clipart}[arguments.task](arguments.epochs)
    policies = [policy.split("+") for policy in arguments.policies]
    arms = [tl.strategies.augmented(strategy, policy) for policy in (None, *policies)]
    start = time.perf_counter()
    compared = tl.compare(backbone, images, arms, arguments.shots, arguments.seeds, progress=False)
    n_runs, took_s = len(compared.runs), time.perf_counter() - start
    print(f"{images}, {arguments.shots} shots, {arguments.epochs} epochs: {n_runs} runs in {took_s:.0f} s")
    for row in compared.table.itertuples():
        gain = "" if row.strategy == compared.baseline else f", {row.gain:+.3f} ({row.gain_low:+.3f} to "
        gain += f"{row.gain_high:+.3f}): {row.verdict}" if gain else " (baseline)"
        print(f"{row.strategy:32} accuracy {row.accuracy:.3f}{gain}", flush=True)


def make_digits(n_epochs):
    """Return a small network, a thousand digits, and a strategy that trains all of it from random weights."""
    from small_task import load_digits, make_small_backbone, redraw_small

    import tlkit as tl
    from tlkit.training.precise_batch_norm import finish_norm_statistics

    phase = tl.Phase(["all"], n_epochs, 3e-3, norm_statistics="moving")
    strategy = tl.Strategy([phase], redraw_small, finish_norm_statistics, name="small")
    return make_small_backbone(), load_digits()[:1000], strategy


def make_clipart(n_epochs):
    """Return EfficientNet-Lite0 at 64 px, the bundled clip-art, and a strategy that tunes the last two stages."""
    import tlkit as tl

    rates = {-2: 1e-3, -1: 1e-3, "head": 1e-2}
    strategy = tl.Strategy([tl.Phase(list(rates), n_epochs, rates)], name="last_2_stages")
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=64)
    return backbone, tl.load_images("styles", domain="clipart"), strategy


if __name__ == "__main__":
    main()
