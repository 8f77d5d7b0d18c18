"""Tuning a whole network: the tutorial's loop against `tl.transfer`, in time per picture. Prints ratios."""

import argparse
import copy
import itertools
import os
import tempfile
import time
import warnings
from pathlib import Path

from frozen_features import write_files
from machine import describe_machine, offers_bf16, use_cores

LEARNING_RATE = 1e-3


def main():
    """Time all arms in turn on the same files and print their milliseconds per picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["efficientnet_lite0", "resnet18"])
    parser.add_argument("--image-sizes", nargs="+", type=int, default=[128, 224], help="height and width in pixels")
    parser.add_argument("--n-pictures", type=int, default=96, help="pictures per epoch, best a multiple of 32")
    parser.add_argument("--n-epochs", type=int, default=2, help="epochs after a first one; the fastest counts")
    parser.add_argument("--cores", type=int, help="use only so many cores; by default all")
    arguments = parser.parse_args()
    use_cores(arguments.cores)
    print(describe_machine(), "" if offers_bf16() else "; no units for bf16: it may take float32 too", sep="")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLKIT_CACHE_DIR"] = str(Path(folder) / "cache")
        import tlkit as tl

        train, _ = write_files(Path(folder) / "pictures")
        images = tl.load_images(train, domain="pictures")
        chosen = range(0, len(images), len(images) // arguments.n_pictures)[: arguments.n_pictures]  # of all classes
        for name, size_px in itertools.product(arguments.networks, arguments.image_sizes):
            weights = "pretrained" if name.startswith("efficientnet") else None
            report(tl.load_backbone(name, weights, size_px), train, images, list(chosen), arguments.n_epochs)


def report(backbone, folder, images, chosen, n_epochs):
    """Time the arms of one network and print them."""
    print(f"\n{backbone.name}, {backbone.image_size_px} px, {len(chosen)} pictures per epoch")
    peers = {size: time_tutorial(backbone, folder, chosen, size, n_epochs) for size in (4, 8, 32)}
    for size, picture_s in peers.items():
        print(f"tutorial's loop, batches of {size:2}                 {1000 * picture_s:7.1f} ms/picture", flush=True)
    for norms, mixed_precision, size in (
        ("frozen", False, 8),
        ("frozen", True, 8),
        ("frozen", False, 32),
        ("moving", False, 8),
        ("moving", False, 32),
    ):
        picture_s, in_bf16 = time_tlkit(backbone, images[chosen], mixed_precision, size, norms, n_epochs)
        arithmetic = "mixed precision" if mixed_precision else "float32"
        words = f"tlkit, {arithmetic}{' in bf16' if in_bf16 else ''}, {norms} norms, batches of {size:2}"
        print(
            f"{words:56} {1000 * picture_s:7.1f} ms/picture; {peers[4] / picture_s:.2f} times as fast as with the "
            f"tutorial's batches of 4, {peers[size] / picture_s:.2f} times as with those of {size}",
            flush=True,
        )


def time_tutorial(backbone, folder, chosen, batch_size, n_epochs):
    """Return the seconds per picture of the tutorial's loop in its fastest epoch; `chosen` are indices of files."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Subset
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    recipe = backbone.recipe
    steps = [v2.RandomResizedCrop(backbone.image_size_px), v2.RandomHorizontalFlip()]
    steps += [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(recipe.mean, recipe.std)]
    files = ImageFolder(folder, v2.Compose(steps))
    torch.manual_seed(0)
    loader = DataLoader(Subset(files, chosen), batch_size=batch_size, shuffle=True)
    network = nn.Sequential(copy.deepcopy(backbone), nn.Linear(backbone.n_features, len(files.classes)))
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=0.9)
    durations_s = []
    for _ in range(1 + n_epochs):
        start = time.perf_counter()
        network.train()
        total_loss = n_right = 0
        for pictures, labels in loader:
            optimizer.zero_grad()
            scores = network(pictures)
            loss = nn.functional.cross_entropy(scores, labels)
            loss.backward()
            optimizer.step()
            total_loss += loss.item() * len(labels)
            n_right += (scores.argmax(1) == labels).sum().item()
        durations_s.append(time.perf_counter() - start)
    return min(durations_s[1:]) / len(chosen)


def time_tlkit(backbone, images, mixed_precision, batch_size, norms, n_epochs):
    """Return (seconds per picture of the fastest epoch of `tl.transfer`, whether it chose bfloat16)."""
    import tlkit as tl

    ends, in_bf16 = [], []

    def note(training):
        in_bf16.append(training.autocast)
        if training.batch_index == training.n_batches:
            ends.append(time.perf_counter())

    phase = tl.Phase(["all"], 1 + n_epochs, LEARNING_RATE, augment="crop_wide", norm_statistics=norms)
    settings = {"optimizer": "sgd", "mixed_precision": mixed_precision, "batch_size": batch_size}
    tl.transfer(backbone, images, tl.Strategy([phase]), callbacks=[note], progress=False, **settings)
    return min(after - before for before, after in itertools.pairwise(ends)) / len(images), in_bf16[-1]


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    main()
