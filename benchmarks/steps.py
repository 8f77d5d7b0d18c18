"""One training step of a whole network: plain torch, with quick convolutions, with freed memory kept, with both."""

import argparse
import itertools
import statistics

from machine import describe_machine, run_alone, use_cores

# Each arm has a new process, since glibc's setting to keep memory can't be undone.
STEPS = """
import contextlib, statistics, time
import torch
import tlkit as tl
from tlkit.cpu.convolutions import QuickConvolutions
from tlkit.cpu.memory import freed_memory_kept

backbone = tl.load_backbone({name!r}, weights=None, image_size_px={size_px}).train()
backbone.to(memory_format=torch.channels_last)
head = torch.nn.Linear(backbone.n_features, 10)
optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], 1e-3, fused=True)
pictures = torch.randn({batch_size}, 3, {size_px}, {size_px}).contiguous(memory_format=torch.channels_last)
labels = torch.arange({batch_size}) % 10
durations_s = []
with freed_memory_kept() if {keeps} else contextlib.nullcontext():
    for _ in range({n_steps} + 2):
        start = time.perf_counter()
        optimizer.zero_grad()
        with QuickConvolutions() if {is_quick} else contextlib.nullcontext():
            scores = head(backbone(pictures))
        torch.nn.functional.cross_entropy(scores, labels).backward()
        optimizer.step()
        durations_s.append(time.perf_counter() - start)
notes["step_s"] = statistics.median(durations_s[2:])
"""
ARMS = {
    "torch": (False, False),
    "quick convolutions": (True, False),
    "freed memory kept": (False, True),
    "both, as transfer": (True, True),
}
SIZES = ((96, 8), (128, 32), (224, 8))


def main():
    """Print milliseconds, memory and ratios of all arms, which take turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["efficientnet_lite0", "mobilenet_v3_small", "resnet18"])
    parser.add_argument("--n-steps", type=int, default=12, help="steps; the median counts")
    parser.add_argument("--n-rounds", type=int, default=3, help="rounds of all arms in turn; the median counts")
    parser.add_argument("--cores", type=int, help="use only so many cores; by default all")
    arguments = parser.parse_args()
    use_cores(arguments.cores)
    print(describe_machine())
    for name, (size_px, batch_size) in itertools.product(arguments.networks, SIZES):
        print(f"\n{name}, {size_px} px, batches of {batch_size}")
        rounds = []
        for _ in range(arguments.n_rounds):
            settings = {"name": name, "size_px": size_px, "batch_size": batch_size, "n_steps": arguments.n_steps}
            rounds.append([run_alone(STEPS.format(**settings, is_quick=q, keeps=k)) for q, k in ARMS.values()])
        for place, arm in enumerate(ARMS):
            step_s = statistics.median(row[place]["step_s"] for row in rounds)
            ratio = statistics.median(row[0]["step_s"] / row[place]["step_s"] for row in rounds)
            peak_mb = max(row[place]["peak_mb"] for row in rounds)
            print(f"{arm:20} {1000 * step_s:7.1f} ms, {ratio:.2f} times as fast, peak {peak_mb:5.0f} MB", flush=True)


if __name__ == "__main__":
    main()
