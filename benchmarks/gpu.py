"""Training and extraction on one GPU: tlkit's loop beside timm's and Lightning's, in pictures per second.

    python benchmarks/gpu.py [--out gpu.json]     under 10 minutes on a GPU machine; on a CPU it ends after one line
    python benchmarks/gpu.py --tiny-cpu           the same code on a few small pictures, which measures nothing

All loops train the whole network with AdamW on random crops and flips in bfloat16 (tlkit tries whether it is faster),
with pictures in the channels-last layout and as many loader workers; weights are random. A loop runs once with one
epoch and once with more, and the difference counts, so that starting workers and choosing algorithms does not. tlkit
keeps up to 5,000 resized pictures in memory and so decodes each once; the other loops decode them in each epoch.
"""

import argparse
import importlib.util
import itertools
import json
import tempfile
import time
from pathlib import Path

import timm
import torch
from made_pictures import MEDIUM_PX, write_jpegs
from timm.data import create_dataset, create_loader
from timm.optim import create_optimizer_v2
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

import tlkit as tl

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FULL = {"networks": ("resnet50", "efficientnet_lite0"), "n_pictures": 2_000, "file_px": MEDIUM_PX, "size_px": 224}
FULL |= {"batch_size": 64, "n_epochs": 3, "n_workers": 8, "device": "cuda"}
TINY = {"networks": ("resnet18",), "n_pictures": 8, "file_px": (64, 48), "size_px": 32}
TINY |= {"batch_size": 4, "n_epochs": 2, "n_workers": 1, "device": "cpu"}


def make_network(name, n_classes):
    """Return timm's network of the same name, with random weights."""
    name = {"efficientnet_lite0": "tf_efficientnet_lite0"}.get(name, name)
    return timm.create_model(name, pretrained=False, num_classes=n_classes)


def train_tlkit(name, folder, n_epochs, work):
    """Train by `tl.transfer` with the defaults of its device."""
    backbone = tl.load_backbone(name, weights=None, image_size_px=work["size_px"])
    strategy = tl.Strategy([tl.Phase(["all"], n_epochs, 1e-3, augment="crop_wide", norm_statistics="moving")])
    settings = {"batch_size": work["batch_size"], "n_loader_workers": work["n_workers"], "progress": False}
    tl.transfer(backbone, work["images"], strategy, device=work["device"], **settings)


def train_timm(name, folder, n_epochs, work):
    """Train with timm's loader, which normalises and moves pictures in the background, and its optimizer."""
    network = make_network(name, 2).to(work["device"], memory_format=torch.channels_last).train()
    loader = create_loader(
        create_dataset("", folder),
        (3, work["size_px"], work["size_px"]),
        work["batch_size"],
        is_training=True,
        mean=MEAN,
        std=STD,
        scale=(0.08, 1.0),
        num_workers=work["n_workers"],
        device=torch.device(work["device"]),
        use_prefetcher=work["device"] == "cuda",
    )
    optimizer = create_optimizer_v2(network, "adamw", lr=1e-3)
    for _ in range(n_epochs):
        for batch, labels in loader:
            with torch.autocast(work["device"], torch.bfloat16):
                scores = network(batch.contiguous(memory_format=torch.channels_last))
                loss = nn.functional.cross_entropy(scores, labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()


def make_loader(folder, work, *, training):
    """Return torch's loader of files as Lightning's users write it."""
    size_px = work["size_px"]
    crops = [v2.RandomResizedCrop(size_px), v2.RandomHorizontalFlip()]
    steps = crops if training else [v2.Resize(size_px * 8 // 7), v2.CenterCrop(size_px)]
    values = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    options = {"num_workers": work["n_workers"], "pin_memory": work["device"] == "cuda", "persistent_workers": True}
    return DataLoader(
        ImageFolder(folder, v2.Compose([*steps, *values])), work["batch_size"], shuffle=training, **options
    )


def make_trainer(n_epochs, work):
    """Return a quiet Lightning trainer."""
    import lightning

    silent = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    accelerator = "gpu" if work["device"] == "cuda" else "cpu"
    return lightning.Trainer(accelerator=accelerator, devices=1, max_epochs=n_epochs, precision="bf16-mixed", **silent)


def make_module(network):
    """Return a Lightning module of a network."""
    import lightning

    class Classifier(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = network.to(memory_format=torch.channels_last)

        def training_step(self, batch, _):
            return nn.functional.cross_entropy(self.network(batch[0].to(memory_format=torch.channels_last)), batch[1])

        def predict_step(self, batch, _):
            return self.network(batch[0].to(memory_format=torch.channels_last)).float().cpu()

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), 1e-3)

    return Classifier()


def train_lightning(name, folder, n_epochs, work):
    """Train with Lightning's trainer."""
    make_trainer(n_epochs, work).fit(make_module(make_network(name, 2)), make_loader(folder, work, training=True))


def extract_tlkit(name, folder, precision, work):
    """Extract by `tl.extract_features`, without its cache."""
    backbone = tl.load_backbone(name, weights=None, image_size_px=work["size_px"])
    engine = "cuda" if work["device"] == "cuda" else "torch"
    tl.extract_features(backbone, work["images"], engine, precision, cache=False, progress=False)


def extract_timm(name, folder, precision, work):
    """Extract with timm's network and torch's loader."""
    network = make_network(name, 0).to(work["device"], memory_format=torch.channels_last).eval()
    with torch.inference_mode(), torch.autocast(work["device"], torch.bfloat16, enabled=precision == "fast"):
        for batch, _ in make_loader(folder, work, training=False):
            network(batch.to(work["device"], memory_format=torch.channels_last)).float().cpu()


def extract_lightning(name, folder, precision, work):
    """Extract with Lightning's `predict`, always in mixed precision."""
    make_trainer(1, work).predict(make_module(make_network(name, 0).eval()), make_loader(folder, work, training=False))


def measure(function, *arguments):
    """Return the seconds that a call takes, with all work of the GPU."""
    start = time.perf_counter()
    function(*arguments)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def list_loops(kind):
    """Return {library: function} of the libraries that are installed."""
    loops = {"tlkit": (train_tlkit, extract_tlkit), "timm": (train_timm, extract_timm)}
    if importlib.util.find_spec("lightning"):
        loops["lightning"] = (train_lightning, extract_lightning)
    return {library: functions[kind == "extraction"] for library, functions in loops.items()}


def run(work):
    """Return a row per network, task and library: pictures per second."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_jpegs(Path(folder), work["n_pictures"], work["file_px"])
        work = work | {"images": tl.load_images(folder)}
        for name, (library, train) in itertools.product(work["networks"], list_loops("training").items()):
            once, whole = (measure(train, name, folder, n, work) for n in (1, work["n_epochs"]))
            rate = (work["n_epochs"] - 1) * work["n_pictures"] / max(whole - once, 1e-9)
            rows.append({"network": name, "task": "training", "library": library, "pictures_per_s": round(rate, 1)})
        tasks = itertools.product(work["networks"], ("exact", "fast"), list_loops("extraction").items())
        for name, precision, (library, extract) in tasks:
            measure(extract, name, folder, precision, work)  # algorithms are chosen, files are in memory
            rate = work["n_pictures"] / measure(extract, name, folder, precision, work)
            task = f"extraction, {precision}"
            rows.append({"network": name, "task": task, "library": library, "pictures_per_s": round(rate, 1)})
            print(rows[-1], flush=True)
    return rows


def main(arguments=None):
    """Measure, print a table, and write it as JSON if a path is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file for the rows")
    parser.add_argument("--tiny-cpu", action="store_true", help="run the code on a few pictures, without a GPU")
    chosen = parser.parse_args(arguments)
    if not chosen.tiny_cpu and not torch.cuda.is_available():
        print("There is no NVIDIA GPU that torch can use, so there is nothing to measure (--tiny-cpu tries the code).")
        return []
    rows = run(TINY if chosen.tiny_cpu else FULL)
    device = "CPU, a trial of the code" if chosen.tiny_cpu else torch.cuda.get_device_name()
    for row in rows:
        print(f"{row['network']:20} {row['task']:20} {row['library']:10} {row['pictures_per_s']:10}")
    if chosen.out:
        chosen.out.write_text(json.dumps({"device": device, "torch": torch.__version__, "rows": rows}, indent=1))
    return rows


if __name__ == "__main__":
    main()
