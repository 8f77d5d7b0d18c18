"""Claims of lesson 06: which costs shrink with the number of trained parameters, and mixing weights."""

import copy
import dataclasses
import functools
import warnings

import numpy as np

import tlkit as tl
from tlkit.claims import Claim, measurement


@measurement(
    choices={
        "network": ["efficientnet_lite0", "mobilenet_v3_small", "resnet18"],
        "image_size_px": [64, 96, 128],
        "batch_size": [1, 2, 8],
        "rank": [2, 4, 8],
        "n_classes": [5, 14],
    },
    lora_holds_over_a_quarter=Claim(
        "A training step of LoRA holds more than a quarter of the memory of a step that trains everything, in three "
        "convolutional networks.",
        (0.25, 1.0),
        effect="memory ratio",
    ),
    lora_ratio_grows_with_batch=Claim(
        "Four times as many pictures per step raise this ratio.",
        (0.0, None),
        effect="change of the memory ratio",
    ),
    lora_optimizer_shrinks=Claim(
        "LoRA's gradients and running means of AdamW take less than a tenth of those of full tuning.",
        (0.0, 0.1),
        effect="memory ratio",
        ignores=["image_size_px", "batch_size"],
    ),
    lora_activations_stay=Claim(
        "LoRA keeps at least nine tenths of the activations that full tuning keeps.",
        (0.9, None),
        effect="memory ratio",
    ),
)
def hold_memory(network, image_size_px, batch_size, rank, n_classes):
    """Memory of a training step of LoRA over that of full tuning, by part."""
    import torch

    backbone = tl.load_backbone(network, weights=None, image_size_px=image_size_px)
    insert = functools.partial(tl.strategies.get("lora").prepare, rank=rank)

    def compare(n_pictures):
        batch = torch.randn(n_pictures, 3, image_size_px, image_size_px, generator=torch.Generator().manual_seed(0))
        lora = measure_step(insert(backbone, 0), batch, n_classes, "lora_")
        return lora, measure_step(copy.deepcopy(backbone), batch, n_classes, "")

    little, full = compare(batch_size)
    ratio = sum(little.values()) / sum(full.values())
    more_little, more_full = compare(4 * batch_size)
    return {
        "lora_holds_over_a_quarter": ratio,
        "lora_ratio_grows_with_batch": sum(more_little.values()) / sum(more_full.values()) - ratio,
        "lora_optimizer_shrinks": little["learned"] / full["learned"],
        "lora_activations_stay": little["activations"] / full["activations"],
    }


def measure_step(network, batch, n_classes, learns):
    """Return {part: bytes} that a step holds; parameters learn if their name contains `learns`, and the head's do."""
    import torch

    for name, value in network.named_parameters():
        value.requires_grad_(learns in name)
    head, kept = torch.nn.Linear(network.n_features, n_classes), {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.setdefault(t.data_ptr(), t.detach()), lambda t: t):
        head(network.train()(batch)).logsumexp(1).sum()
    parameters = [*network.parameters(), *head.parameters()]
    own = {value.data_ptr(): value.nbytes for value in (*parameters, *network.buffers())}
    activations = sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in own)
    learned = sum(value.nbytes for value in parameters if value.requires_grad)
    return {"network": sum(own.values()), "learned": 3 * learned, "activations": activations}


@measurement(
    choices={
        "method": ["bitfit", "norm_only", "lora"],
        "domain": ["clipart", "sketch"],
        "metric": ["accuracy", "balanced accuracy"],
    },
    little_or_all_differ_little=Claim(
        "With five drawings per class, training little and training everything differ by less than ten points.",
        (-0.1, 0.1),
    ),
)
def train_little(method, domain, metric):
    """Accuracy of a method that trains little minus that of full tuning, one difference per fold."""
    folds = [[score(train_fold(name, domain, fold)[1], metric) for name in (method, "lp_ft")] for fold in range(5)]
    return {"little_or_all_differ_little": -np.diff(folds)[:, 0]}


@measurement(
    choices={
        "domain": ["clipart", "sketch"],
        "image_size_px": [48, 64],
        "order_seed": [0, 5],
        "metric": ["accuracy", "balanced accuracy"],
    },
    renumbered_channels_do_not_mix=Claim(
        "If the tuned network's hidden channels are numbered anew, the network halfway is worse than the worse end.",
        "harms",
    ),
)
def mix_renumbered(domain, image_size_px, order_seed, metric):
    """Accuracy of the network halfway minus that of the worse end, one difference per fold."""
    differences = []
    for fold in range(5):
        ends = [train_fold(name, domain, fold, image_size_px) for name in ("linear_probe", "lp_ft")]
        few, test = split(domain, fold)
        runs = ends[0][0], renumber(ends[1][0], order_seed + fold)
        halfway = tl.training.interpolate_runs(*runs, 0.5, train=few).evaluate(test)
        differences.append(score(halfway, metric) - min(score(evaluation, metric) for _, evaluation in ends))
    return {"renumbered_channels_do_not_mix": np.array(differences)}


@functools.cache
def train_fold(name, domain, fold, image_size_px=64):
    """Return a strategy's run on a fold, and its evaluation."""
    few, test = split(domain, fold)
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    run = tl.transfer(backbone, few, shorten(name), seed=fold, progress=False)
    return run, run.evaluate(test)


def split(domain, fold):
    """Return five training pictures per class of a fold, and its test pictures."""
    train, test = tl.load_images("styles", domain=domain).split(test_fold=fold)
    with warnings.catch_warnings(action="ignore"):  # small classes give all they have
        return train.few(5, seed=fold), test


def score(evaluation, metric):
    """Return the accuracy as a metric defines it."""
    return getattr(evaluation, metric.replace(" ", "_"))


@measurement(
    choices={
        "method": ["bitfit", "norm_only", "lora"],
        "network": ["efficientnet_lite0", "efficientnet_lite2", "resnet18"],
        "n_classes": [4, 14],
    },
    little_is_stored=Claim(
        "Little trained is little stored: less than a twentieth of the file of a network that was tuned as a whole.",
        (0.0, 0.05),
        effect="size ratio",
    ),
)
def store_little(method, network, n_classes):
    """Size of what a method stores over that of full tuning."""
    backbone = tl.load_backbone(network, weights=None, image_size_px=32)
    drawn = tl.load_images("styles", domain="clipart").few(2, seed=0)
    pairs = [(drawn.read(row), str(label)) for row, label in enumerate(drawn.labels) if label < n_classes]
    few = tl.load_images(pairs)
    runs = [tl.transfer(backbone, few, shorten(name, 1), progress=False) for name in (method, "lp_ft")]
    little, whole = (run.cost()["stored_mib"] for run in runs)
    return {"little_is_stored": little / whole}


def shorten(name, n_epochs=3):
    """Return a known strategy with its last phase shortened."""
    strategy = tl.strategies.get(name)
    if strategy.phases[-1].n_epochs is None:
        return strategy
    last = dataclasses.replace(strategy.phases[-1], n_epochs=n_epochs)
    return dataclasses.replace(strategy, phases=[*strategy.phases[:-1], last])


def renumber(run, seed):
    """Return a run whose hidden channels are in another order, in each block; it computes the same function."""
    import torch

    run = copy.deepcopy(run)
    random = torch.Generator().manual_seed(seed)
    for block in (module for module in run.backbone.modules() if hasattr(module, "conv_pwl")):
        order = torch.randperm(block.conv_pwl.in_channels, generator=random)
        block.conv_pwl.weight.data = block.conv_pwl.weight.data[:, order]
        for layer in (block.conv_pw, block.bn1, block.conv_dw, block.bn2):
            for value in (*layer.parameters(), *layer.buffers()):
                value.data = value.data[order] if value.ndim else value.data
    return run
