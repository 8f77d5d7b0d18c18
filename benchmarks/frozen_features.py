"""The well-known tutorial's loop on a frozen network against tlkit's features computed once. Prints the ratio."""

import argparse
import copy
import os
import platform
import tempfile
import time
import warnings
from pathlib import Path


def main():
    """Run both on the same files and print times, accuracies and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-epochs", type=int, default=25, help="of the tutorial's loop (its own: 25)")
    parser.add_argument("--image-size", type=int, default=224, help="height and width in pixels (the tutorial's: 224)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLKIT_CACHE_DIR"] = str(Path(folder) / "cache")  # cold: nothing converted, nothing computed
        import tlkit as tl

        train, test = write_files(Path(folder) / "pictures")
        backbone = tl.load_backbone("efficientnet_lite0", image_size_px=arguments.image_size)
        tl.load_backbone("efficientnet_lite0", weights=None)  # whatever is imported on first use is imported now
        rows = [
            ("tlkit, nothing cached", *time_tlkit(backbone, train, test)),
            ("tlkit, features cached", *time_tlkit(backbone, train, test)),
            (
                f"tutorial's loop, {arguments.n_epochs} epochs",
                *time_tutorial(backbone, train, test, arguments.n_epochs),
            ),
        ]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, {arguments.image_size} px")
    loop_s = rows[-1][1]
    for name, duration_s, accuracy in rows:
        times = f"{loop_s / duration_s:.1f} times as fast as the loop"
        print(f"{name:32} {duration_s:8.2f} s, accuracy {accuracy:.3f}, {times}")


def write_files(folder):
    """Write the bundled clip-art as PNG files in class folders; returns the folders of training and test pictures."""
    import tlkit as tl

    sides = dict(zip(("train", "test"), tl.load_images("styles", domain="clipart").split(), strict=True))
    for side, images in sides.items():
        for index, (picture, label) in enumerate(images):
            path = folder / side / images.classes[label] / f"{index:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    return [folder / side for side in sides]


def time_tlkit(backbone, train, test):
    """Return (duration_s, accuracy) of features computed once and a logistic head, from files to the score."""
    import tlkit as tl

    start = time.perf_counter()
    learned, tested = (
        tl.extract_features(backbone, tl.load_images(folder, domain="clipart"), progress=False)
        for folder in (train, test)
    )
    accuracy = tl.fit_head(learned).score(tested)
    return time.perf_counter() - start, accuracy


def time_tutorial(backbone, train, test, n_epochs):
    """Return (duration_s, accuracy) of a new last layer trained by running the frozen network in every epoch."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    start = time.perf_counter()
    size_px, recipe = backbone.image_size_px, backbone.recipe
    to_values = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(recipe.mean, recipe.std)]
    changes = {
        "train": v2.Compose([v2.RandomResizedCrop(size_px), v2.RandomHorizontalFlip(), *to_values]),
        "test": v2.Compose([v2.Resize(recipe.resize_size_px), v2.CenterCrop(size_px), *to_values]),
    }
    sets = {side: ImageFolder(folder, changes[side]) for side, folder in (("train", train), ("test", test))}
    torch.manual_seed(0)
    loaders = {side: DataLoader(images, batch_size=4, shuffle=True) for side, images in sets.items()}
    network = nn.Sequential(copy.deepcopy(backbone), nn.Linear(backbone.n_features, len(sets["train"].classes)))
    network[0].requires_grad_(False)
    optimizer = torch.optim.SGD(network[1].parameters(), lr=0.001, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    best = 0.0
    for _ in range(n_epochs):
        network.train()
        for pictures, labels in loaders["train"]:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(pictures), labels).backward()
            optimizer.step()
        scheduler.step()
        network.eval()
        with torch.no_grad():
            right = sum((network(pictures).argmax(1) == labels).sum().item() for pictures, labels in loaders["test"])
        best = max(best, right / len(sets["test"]))
    return time.perf_counter() - start, best


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    main()
