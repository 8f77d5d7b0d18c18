"""Training loops of other libraries on EfficientNet-Lite0 with the embedded weights: from folders to predictions.

Each function takes a folder of training pictures and one of test pictures, both with one folder per class. It returns
the predicted class (str) of every test picture, in the sorted order of their paths.
"""

import copy
import os

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

import tlkit as tl

# Usual values, not chosen on these pictures; the same for the plain loop, Lightning and timm.
N_EPOCHS, BATCH_SIZE, IMAGE_SIZE_PX = 6, 16, 160
LEARNING_RATE, HEAD_FACTOR, WEIGHT_DECAY = 1e-3, 5, 0.01


def make_network(n_classes, image_size_px):
    """Return (network, recipe): the pretrained network with a new last layer, and its preprocessing."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    network = nn.Sequential(copy.deepcopy(backbone), nn.Linear(backbone.n_features, n_classes))
    return network.train().requires_grad_(True), backbone.recipe


def make_sets(train, test, recipe, *, scale=(0.08, 1.0), interpolation="BICUBIC"):
    """Return the two sets of files: random crops and flips for training, the network's preprocessing for testing."""
    size_px, filter_name = recipe.crop_size_px, v2.InterpolationMode[interpolation]
    to_values = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(recipe.mean, recipe.std)]
    crop = v2.RandomResizedCrop(size_px, scale, interpolation=filter_name)
    middle = [v2.Resize(recipe.resize_size_px, v2.InterpolationMode.BICUBIC), v2.CenterCrop(size_px)]
    return (
        ImageFolder(train, v2.Compose([crop, v2.RandomHorizontalFlip(), *to_values])),
        ImageFolder(test, v2.Compose([*middle, *to_values])),
    )


def count_workers():
    """Return the number of processes that load pictures; with one core they would only cost."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return n_cores if n_cores > 1 else 0


@torch.no_grad()
def predict(network, pictures, classes):
    """Return the predicted class of each picture of a set."""
    network.eval()
    return [classes[index] for batch, _ in DataLoader(pictures, 32) for index in network(batch).argmax(1)]


def group_rates(body, head, learning_rate):
    """Return the groups of an optimizer: the new layer learns faster than the pretrained ones."""
    return [
        {"params": body.parameters(), "lr": learning_rate},
        {"params": head.parameters(), "lr": HEAD_FACTOR * learning_rate},
    ]


def train_tutorial(train, test, n_epochs=25):
    """Run the loop of PyTorch's "Transfer Learning for Computer Vision Tutorial" over the whole network."""
    # As in the tutorial: 224 px, batches of 4, SGD at 0.001 with momentum 0.9, a tenth of it every 7 epochs, and the
    # best epoch on the pictures that it is scored on. Bilinear crops are the default of torchvision.
    torch.manual_seed(0)
    network, recipe = make_network(len(ImageFolder(train).classes), None)
    learned, tested = make_sets(train, test, recipe, interpolation="BILINEAR")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    truth = [tested.classes[label] for label in tested.targets]
    best, best_count = None, -1
    for _ in range(n_epochs):
        network.train()
        for batch, labels in DataLoader(learned, 4, shuffle=True, num_workers=count_workers()):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(batch), labels).backward()
            optimizer.step()
        scheduler.step()
        predicted = predict(network, tested, learned.classes)
        count = sum(map(str.__eq__, predicted, truth))
        if count > best_count:
            best, best_count = predicted, count
    return best


def train_plain(train, test, n_epochs=N_EPOCHS, learning_rate=LEARNING_RATE):
    """Train the whole network in a careful loop of plain PyTorch: AdamW, one-cycle schedule, channels last."""
    torch.manual_seed(0)
    network, recipe = make_network(len(ImageFolder(train).classes), IMAGE_SIZE_PX)
    network = network.to(memory_format=torch.channels_last)
    learned, tested = make_sets(train, test, recipe, scale=(0.5, 1.0))
    loader = DataLoader(learned, BATCH_SIZE, shuffle=True, drop_last=True, num_workers=count_workers())
    groups = group_rates(*network, learning_rate)
    optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
    rates = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, epochs=n_epochs, steps_per_epoch=len(loader))
    for _ in range(n_epochs):
        for batch, labels in loader:
            optimizer.zero_grad()
            batch = batch.contiguous(memory_format=torch.channels_last)
            nn.functional.cross_entropy(network(batch), labels).backward()
            optimizer.step()
            schedule.step()
    return predict(network, tested, learned.classes)


def train_lightning(train, test, n_epochs=N_EPOCHS, learning_rate=LEARNING_RATE):
    """Train with the settings of the plain loop in Lightning's `Trainer`."""
    import lightning

    class Classifier(lightning.LightningModule):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def training_step(self, batch):
            pictures, labels = batch
            return nn.functional.cross_entropy(self.network(pictures), labels)

        def configure_optimizers(self):
            groups = group_rates(*self.network, learning_rate)
            optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
            rates, n_steps = [group["lr"] for group in groups], self.trainer.estimated_stepping_batches
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=int(n_steps))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    lightning.seed_everything(0, verbose=False)
    network, recipe = make_network(len(ImageFolder(train).classes), IMAGE_SIZE_PX)
    learned, tested = make_sets(train, test, recipe, scale=(0.5, 1.0))
    loader = DataLoader(learned, BATCH_SIZE, shuffle=True, drop_last=True, num_workers=count_workers())
    silent = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    lightning.Trainer(accelerator="cpu", max_epochs=n_epochs, **silent).fit(Classifier(network), loader)
    return predict(network, tested, learned.classes)


def train_timm(train, test, n_epochs=N_EPOCHS, learning_rate=LEARNING_RATE):
    """Train with timm's parts: its augmentation, label smoothing, optimizer groups and cosine schedule with warm-up."""
    from timm.data import create_dataset, create_loader
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2

    torch.manual_seed(0)
    network, recipe = make_network(len(ImageFolder(train).classes), IMAGE_SIZE_PX)
    network = network.to(memory_format=torch.channels_last)
    _, tested = make_sets(train, test, recipe)
    loader = create_loader(
        create_dataset("", str(train)),
        (3, IMAGE_SIZE_PX, IMAGE_SIZE_PX),
        BATCH_SIZE,
        is_training=True,
        use_prefetcher=False,
        mean=recipe.mean,
        std=recipe.std,
        num_workers=count_workers(),
        persistent_workers=False,
        device=torch.device("cpu"),
    )
    optimizer = create_optimizer_v2(network, "adamw", lr=learning_rate, weight_decay=WEIGHT_DECAY)
    schedule, n_epochs = create_scheduler_v2(
        optimizer, "cosine", n_epochs, warmup_epochs=1, step_on_epochs=False, updates_per_epoch=len(loader)
    )
    loss_of, n_steps = LabelSmoothingCrossEntropy(0.1), 0
    for _ in range(n_epochs):
        for batch, labels in loader:
            optimizer.zero_grad()
            loss_of(network(batch.contiguous(memory_format=torch.channels_last)), labels).backward()
            optimizer.step()
            n_steps += 1
            schedule.step_update(n_steps)
    return predict(network, tested, tested.classes)


def train_fastai(train, test, n_epochs=5, image_size_px=224):
    """Run fastai's `fine_tune` with its defaults: one epoch of a new head, then the whole network."""
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

    set_seed(0)
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    loaders = ImageDataLoaders.from_folder(
        train.parent,
        train=train.name,
        valid=test.name,
        item_tfms=Resize(image_size_px),
        batch_tfms=[*aug_transforms(), Normalize.from_stats(backbone.recipe.mean, backbone.recipe.std)],
    )
    body = copy.deepcopy(backbone).until(backbone.stages[-1])
    network = nn.Sequential(body, create_head(backbone.n_features, loaders.c))
    learner = Learner(
        loaders, network, metrics=accuracy, splitter=lambda network: [params(network[0]), params(network[1])]
    )
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(n_epochs)
        names = sorted(path for path in test.rglob("*") if path.is_file())
        scores = learner.get_preds(dl=loaders.test_dl(names))[0]
    return [loaders.vocab[index] for index in scores.argmax(1)]
