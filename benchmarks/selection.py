"""Scoring six candidates on their features against tuning each of them. Prints the ratio and the agreement."""

import argparse
import os
import platform
import tempfile
import time
import warnings
from pathlib import Path

NETWORKS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


def main():
    """Score and tune the same candidates on the same pictures and print times, scores and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shots", type=int, default=10, help="training pictures per class")
    parser.add_argument("--sizes", type=int, nargs=2, default=(96, 128), help="two heights and widths in pixels")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLKIT_CACHE_DIR"] = str(Path(folder) / "cache")  # cold: nothing converted, no stored features
        import tlkit as tl

        warnings.filterwarnings("ignore", category=tl.selection.SelectionWarning)
        train, test = tl.load_images("styles", domain="clipart").split()
        train = train.few(arguments.shots)
        candidates = [
            tl.selection.Candidate(network, image_size_px=size) for network in NETWORKS for size in arguments.sizes
        ]
        # Import everything before the clocks start.
        tl.selection.rank(tl.load_backbone(weights=None, image_size_px=32), train.few(2), progress=False)
        table, cold_s = time_scores(candidates, train)
        _, warm_s = time_scores(candidates, train)
        accuracies, tuning_s = time_tuning(candidates, train, test)
        agreement = tl.selection.compare_with_accuracy(table, accuracies, n_draws=200)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, {len(train)} training pictures")
    print(table.assign(tuned=table["name"].map(accuracies)).round(3).to_string(index=False))
    print(agreement[["score", "kind", "tau", "tau_low", "tau_high"]].round(2).to_string(index=False))
    rows = {
        "tuning": tuning_s,
        "scoring, nothing cached": cold_s,
        "scoring, features cached": warm_s,
    }
    for name, duration_s in rows.items():
        print(f"{name:28} {duration_s:8.1f} s, {tuning_s / duration_s:.1f} times as fast as tuning")


def time_scores(candidates, train):
    """Return (the table of scores, duration_s)."""
    import tlkit as tl

    start = time.perf_counter()
    table = tl.selection.rank(candidates, train, progress=False)
    return table, time.perf_counter() - start


def time_tuning(candidates, train, test):
    """Return ({name: accuracy on the test pictures}, duration_s of tuning, without testing)."""
    import tlkit as tl

    accuracies, duration_s = {}, 0.0
    for candidate in candidates:
        start = time.perf_counter()
        backbone = tl.load_backbone(candidate.backbone, image_size_px=candidate.image_size_px)
        run = tl.transfer(backbone, train, "fine_tune", progress=False)
        duration_s += time.perf_counter() - start
        accuracies[f"{candidate.backbone} at {candidate.image_size_px} px"] = run.evaluate(test).accuracy
    return accuracies, duration_s


if __name__ == "__main__":
    main()
