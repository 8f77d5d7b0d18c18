"""Claims of lesson 03: frozen parameters, moving statistics, and the memory of a training step."""

import copy

import numpy as np
import torch
from torch import nn

import tlkit as tl
from tlkit.claims import Claim, measurement

N_SEEDS = 5  # one for each test fold
SHOTS = 5  # training pictures per class
SMALL_BATCH = 2


@measurement(
    choices={
        "network": ["efficientnet_lite0", "resnet18"],
        "image_size_px": [48, 64],
        "domain": ["clipart", "sketch"],
        "batch_size": [4, 16],
    },
    n_replications=10,
    every_running_mean_moves=Claim(
        "One batch in training mode moves the running mean of every batch-norm layer, though no parameter requires a "
        "gradient.",
        (1, 1),
        effect="share of layers",
    ),
    frozen_network_keeps_every_bit=Claim(
        "One batch in training mode changes no tensor of a network that `tl.freeze` has frozen.",
        (0, 0),
        effect="number of tensors",
    ),
)
def pass_a_batch(network, image_size_px, domain, batch_size):
    """Share of running means that move, and number of tensors that move in a frozen network."""
    backbone = tl.load_backbone(network, weights=None, image_size_px=image_size_px)
    pictures = read(backbone, tl.load_images("styles", domain=domain)[:batch_size])
    before, moved = backbone.state_dict(), []
    for freezing in (stop_gradients, tl.freeze):
        copied = freezing(copy.deepcopy(backbone)).train()
        copied(pictures)
        after = copied.state_dict()
        moved.append([name for name in before if not torch.equal(before[name], after[name])])
    means = [name for name in before if name.endswith("running_mean")]
    share = len([name for name in moved[0] if name.endswith("running_mean")]) / len(means)
    return {"every_running_mean_moves": share, "frozen_network_keeps_every_bit": len(moved[1])}


@measurement(
    choices={
        "network": ["efficientnet_lite0", "resnet18"],
        "image_size_px": [64, 96],
        "batch_size": [4, 8, 16],
        "n_classes": [5, 14],
    },
    trained_stem_keeps_activations=Claim(
        "With all stages frozen but the first, a training step still keeps more than half of the activations of "
        "training everything.",
        (0.5, 1),
        effect="share of the activations' memory",
        ignores=["n_classes"],
    ),
    frozen_stages_save_memory=Claim(
        "With all stages frozen, a training step holds less than half of the memory of training everything.",
        (0, 0.5),
        effect="share of memory",
    ),
)
def measure_memory_of_frozen_stages(network, image_size_px, batch_size, n_classes):
    """Shares of training everything: activations with the first stage trained, memory with all stages frozen."""
    backbone = tl.load_backbone(network, weights=None, image_size_px=image_size_px)
    pictures = torch.zeros(batch_size, 3, image_size_px, image_size_px)
    costs = tl.backbones.measure_freezing(backbone, pictures, n_classes, n_rounds=1, progress=False)
    whole, frozen, stem = (costs.summarise(part).memory_mib for part in ((), backbone.stages, backbone.stages[1:]))
    return {
        "trained_stem_keeps_activations": stem["activations"] / whole["activations"],
        "frozen_stages_save_memory": sum(frozen.values()) / sum(whole.values()),
    }


@measurement(
    choices={
        "first_seed": [0, 5],
        "image_size_px": [48, 64],
        "tasks": ["clipart to sketch", "clipart to emoji", "photo to sketch"],
        "large_batch": [8, 14],
        "n_steps": [30, 40],
    },
    n_replications=12,
    moving_statistics_harm_the_old_head=Claim(
        "While a new head learns with moving statistics, the old head of the same network becomes less accurate on its "
        "own pictures.",
        "harms",
    ),
    old_head_loses_more=Claim(
        "The old head loses more accuracy on the old task than the new head on the new task.", "harms"
    ),
    tiny_batches_harm_the_new_head=Claim(
        "With two pictures per batch and thirty or forty steps, moving statistics make the new head less accurate.",
        "harms",
        ignores=["large_batch"],
    ),
)
def move_statistics(first_seed, image_size_px, tasks, large_batch, n_steps):
    """Accuracy with moving statistics minus that with frozen ones, on the old and on the new task."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    domains = [tl.load_images("styles", domain=domain) for domain in tasks.split(" to ")]
    rows = [
        [
            measure_damage(backbone, domains, batch_size, n_steps, seed)
            for seed in range(first_seed, first_seed + N_SEEDS)
        ]
        for batch_size in (large_batch, SMALL_BATCH)
    ]
    (old_large, new_large), (_, new_small) = (np.array(part).T for part in rows)
    return {
        "moving_statistics_harm_the_old_head": old_large,
        "old_head_loses_more": old_large - new_large,
        "tiny_batches_harm_the_new_head": new_small,
    }


def measure_damage(backbone, domains, batch_size, n_steps, seed):
    """Return the change of the old and of the new head's accuracy that moving statistics make."""
    frozen = [tl.extract_features(backbone, images, progress=False) for images in domains]
    (old_few, old_test), (new_few, new_test) = (draw(images, seed) for images in domains)
    old_head = tl.fit_head(take(frozen[0], old_few))
    order = list(deal(len(new_few), batch_size, n_steps, seed))
    labels = torch.from_numpy(new_few.labels)
    # Features of a frozen network don't change during training, so its head is trained on stored ones.
    values = torch.from_numpy(take(frozen[1], new_few).values)
    frozen_head = train_head(lambda rows: values[rows], labels, order, backbone.n_features, len(new_few.classes), seed)
    network, pictures = stop_gradients(copy.deepcopy(backbone)).train(), read(backbone, new_few)
    moved_head = train_head(
        lambda rows: network(pictures[rows]), labels, order, backbone.n_features, len(new_few.classes), seed
    )
    network.eval()
    with torch.no_grad():
        old_moved, new_moved = (network(read(backbone, images)) for images in (old_test, new_test))
        new_right = moved_head(new_moved).argmax(dim=1).numpy() == new_test.labels
        frozen_right = frozen_head(torch.from_numpy(take(frozen[1], new_test).values)).argmax(dim=1).numpy()
    old_right = old_head.predict(old_moved.numpy()).argmax(axis=1) == old_test.labels
    old_before = old_head.score(take(frozen[0], old_test))
    return old_right.mean() - old_before, new_right.mean() - (frozen_right == new_test.labels).mean()


def train_head(compute, labels, order, n_features, n_classes, seed):
    """Return a linear head trained for one step per batch of rows."""
    torch.manual_seed(seed)
    head = nn.Linear(n_features, n_classes)
    optimizer = torch.optim.Adam(head.parameters(), lr=2e-3)
    for rows in order:
        loss = nn.functional.cross_entropy(head(compute(rows)), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head


def deal(n_pictures, batch_size, n_steps, seed):
    """Yield the rows of each batch, from one permutation after another."""
    random = np.random.default_rng(seed)
    n_epochs = -(-batch_size * n_steps // n_pictures)
    rows = np.concatenate([random.permutation(n_pictures) for _ in range(n_epochs)])
    for step in range(n_steps):
        yield rows[step * batch_size : (step + 1) * batch_size]


def draw(images, seed):
    """Return the training and test pictures of a seed."""
    train, test = images.split(test_fold=seed % N_SEEDS)
    return train.few(SHOTS, seed=seed), test


def take(features, images):
    """Return the features of some pictures, in their order."""
    places = {name: place for place, name in enumerate(features.names)}
    return features[[places[name] for name in images.names]]


def read(backbone, images):
    """Return pictures as a network takes them, (n, 3, height, width)."""
    return torch.from_numpy(np.stack([backbone.preprocess(images.read(row)) for row in range(len(images))]))


def stop_gradients(network):
    """Freeze a network in the usual way."""
    return network.requires_grad_(False)
