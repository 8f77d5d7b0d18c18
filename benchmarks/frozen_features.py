"""A whole frozen task, from files to the score: the tutorial's loop and fastai against features computed once.

Prints times, accuracies and ratios.
"""

import argparse
import copy
import importlib
import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path

from machine import describe_machine, offers_bf16


def main():
    """Run all arms on the same files and print times, accuracies and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-epochs", type=int, default=5, help="epochs of loop (the tutorial's: 25) and fastai")
    parser.add_argument("--image-size", type=int, default=224, help="height and width in pixels (the tutorial's: 224)")
    parser.add_argument("--peers", nargs="*", default=["loop", "fastai"], choices=["loop", "fastai"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLKIT_CACHE_DIR"] = str(Path(folder) / "cache")
        import tlkit as tl

        folders = train, test = write_files(Path(folder) / "pictures")
        backbone = tl.load_backbone("efficientnet_lite0", image_size_px=arguments.image_size)
        # Import everything before the clock starts, as for fastai.
        tl.load_backbone("efficientnet_lite0", weights=None)
        for module in ("openvino", "sklearn.linear_model", "torch.export"):
            importlib.import_module(module)
        print(describe_machine(), "" if offers_bf16() else "; no units for bf16: fast is float32 too", sep="")
        counts = [sum(path.is_file() for path in side.rglob("*")) for side in folders]
        print(f"{counts[0]} training pictures, {counts[1]} test pictures, {arguments.image_size} px")
        rows = []
        for precision in ("exact", "fast"):
            os.environ["TLKIT_CACHE_DIR"] = str(Path(folder) / precision)  # nothing converted, no stored features
            for state in ("nothing cached", "network converted", "features cached"):
                if state == "network converted":
                    shutil.rmtree(Path(folder) / precision / "features")
                rows.append((f"tlkit, {precision}, {state}", *time_tlkit(backbone, train, test, precision)))
        peers = {"loop": ("tutorial's loop", time_tutorial), "fastai": ("fastai's fine_tune", time_fastai)}
        baselines = []
        for peer in arguments.peers:
            words, run = peers[peer]
            baselines.append((f"{words}, {arguments.n_epochs} epochs", *run(backbone, train, test, arguments.n_epochs)))
    for name, duration_s, accuracy in rows + baselines:
        times = ", ".join(f"{other_s / duration_s:.1f} times as fast as {words}" for words, other_s, _ in baselines)
        print(f"{name:34} {duration_s:8.2f} s, accuracy {accuracy:.3f}; {times}")


def write_files(folder):
    """Write bundled clip-art and sketches as PNG files in class folders; return the folders for training and test."""
    import tlkit as tl

    chosen = tl.load_images("styles").select(domain=["clipart", "sketch"], role="core")
    sides = dict(zip(("train", "test"), chosen.split(), strict=True))
    for side, images in sides.items():
        for index, (picture, label) in enumerate(images):
            path = folder / side / images.classes[label] / f"{index:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
    return [folder / side for side in sides]


def time_tlkit(backbone, train, test, precision):
    """Return (duration_s, accuracy) of features computed once and a logistic head, from files to the score."""
    import tlkit as tl

    start = time.perf_counter()
    learned, tested = (
        tl.extract_features(backbone, tl.load_images(folder, domain="pictures"), precision=precision, progress=False)
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


def time_fastai(backbone, train, test, n_epochs):
    """Return (duration_s, accuracy) of fastai's recipe: one epoch of its head, then the whole network."""
    from fastai.vision.all import (
        ImageDataLoaders,
        Learner,
        Normalize,
        Resize,
        accuracy,
        aug_transforms,
        create_head,
        params,
        set_seed,
    )
    from torch import nn

    start = time.perf_counter()
    set_seed(0)
    loaders = ImageDataLoaders.from_folder(
        train.parent,
        train=train.name,
        valid=test.name,
        item_tfms=Resize(backbone.image_size_px),
        batch_tfms=[*aug_transforms(), Normalize.from_stats(backbone.recipe.mean, backbone.recipe.std)],
    )
    body = copy.deepcopy(backbone).until(backbone.stages[-1])
    network = nn.Sequential(body, create_head(backbone.n_features, loaders.c))
    learner = Learner(
        loaders, network, metrics=accuracy, splitter=lambda network: [params(network[0]), params(network[1])]
    )
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(n_epochs)
    return time.perf_counter() - start, learner.recorder.values[-1][-1]


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message=".*(pin_memory|torch.jit.script).*")
    main()
