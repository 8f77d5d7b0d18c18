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
    ),
    lora_activations_stay=Claim(
        "LoRA keeps at least nine tenths of the activations that full tuning keeps.",
        (0.9, None),
        effect="memory ratio",
    ),
)
def hold_memory(network, image_size_px, batch_size, rank):
    """Memory of a training step of LoRA over that of full tuning, by part."""
    import torch

    backbone = tl.load_backbone(network, weights=None, image_size_px=image_size_px)
    insert = functools.partial(tl.strategies.get("lora").prepare, rank=rank)

    def compare(n_pictures):
        batch = torch.randn(n_pictures, 3, image_size_px, image_size_px, generator=torch.Generator().manual_seed(0))
        lora = measure_step(insert(backbone, 0), batch, "lora_")
        return lora, measure_step(copy.deepcopy(backbone), batch, "")

    little, full = compare(batch_size)
    ratio = sum(little.values()) / sum(full.values())
    more_little, more_full = compare(4 * batch_size)
    return {
        "lora_holds_over_a_quarter": ratio,
        "lora_ratio_grows_with_batch": sum(more_little.values()) / sum(more_full.values()) - ratio,
        "lora_optimizer_shrinks": little["learned"] / full["learned"],
        "lora_activations_stay": little["activations"] / full["activations"],
    }


def measure_step(network, batch, learns):
    """Return {part: bytes} that a step holds; parameters learn if their name contains `learns`, and the head's do."""
    import torch

    for name, value in network.named_parameters():
        value.requires_grad_(learns in name)
    head, kept = torch.nn.Linear(network.n_features, 14), {}
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
    little_is_stored=Claim(
        "Little trained is little stored: less than a twentieth of the file of a network that was tuned as a whole.",
        (0.0, 0.05),
        effect="size ratio",
    ),
    renumbered_channels_do_not_mix=Claim(
        "If the tuned network's hidden channels are numbered anew, the network halfway is worse than the worse end.",
        "harms",
    ),
)
def train_little(method, domain, metric):
    """Accuracy of a method that trains little minus that of full tuning, one difference per fold; and of mixtures."""
    folds = [{name: train_fold(name, domain, fold) for name in ("linear_probe", method, "lp_ft")} for fold in range(5)]
    scores = [
        {name: getattr(one, metric.replace(" ", "_")) for run in fold.values() for name, one in run["scores"].items()}
        for fold in folds
    ]
    stored = [folds[0][name]["stored_mib"] for name in (method, "lp_ft")]
    return {
        "little_or_all_differ_little": np.array([one[method] - one["lp_ft"] for one in scores]),
        "little_is_stored": stored[0] / stored[1],
        "renumbered_channels_do_not_mix": np.array(
            [one["halfway"] - min(one["linear_probe"], one["lp_ft"]) for one in scores]
        ),
    }


@functools.cache
def train_fold(name, domain, fold):
    """Return a strategy's evaluation on a fold, for lp_ft also that of a mixture, and the MiB to store."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=64)
    train, test = tl.load_images("styles", domain=domain).split(test_fold=fold)
    with warnings.catch_warnings(action="ignore"):  # small classes give all they have
        few = train.few(5, seed=fold)
    run = tl.transfer(backbone, few, shorten(name), seed=fold, progress=False)
    scores = {name: run.evaluate(test)}
    if name == "lp_ft":
        probe = tl.transfer(backbone, few, "linear_probe", seed=fold, progress=False)
        scores["halfway"] = tl.training.interpolate_runs(probe, renumber(run, fold), 0.5, train=few).evaluate(test)
    return {"scores": scores, "stored_mib": run.cost()["stored_mib"]}


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
