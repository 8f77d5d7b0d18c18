"""Training the last stages of a network: the frozen prefix computed once against running it in every epoch.

Prints the time of an epoch and of the whole job, and ratios.
"""

import argparse
import copy
import itertools
import os
import tempfile
import time

from machine import describe_machine, use_cores

BATCH_SIZE = 32
LEARNING_RATE = 1e-3
PARTS = {"last convolution and head": 1, "last block group": 2, "last two block groups": 3}


def main():
    """Time all arms for each trained part and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--image-size", type=int, default=128, help="height and width in pixels")
    parser.add_argument("--n-pictures", type=int, default=480)
    parser.add_argument("--n-epochs", type=int, default=10, help="of the whole job")
    parser.add_argument("--n-timed", type=int, default=2, help="timed epochs of the peers; the fastest counts")
    parser.add_argument("--cores", type=int, help="use only so many cores; by default all")
    arguments = parser.parse_args()
    use_cores(arguments.cores)
    import tlkit as tl

    print(describe_machine())
    images = tl.load_images("styles").select(domain=["clipart", "sketch"], role="core")[: arguments.n_pictures]
    backbone = tl.load_backbone(arguments.network, image_size_px=arguments.image_size)
    start = time.perf_counter()
    pictures = [backbone.preprocess(picture) for picture, _ in images]
    read_s = time.perf_counter() - start
    print(f"{arguments.network}, {arguments.image_size} px, {len(images)} pictures, batches of {BATCH_SIZE}")
    print(f"whole job: {arguments.n_epochs} epochs and reading the pictures; ours also computes the prefix")
    for words, n_stages in PARTS.items():
        rows = [("frozen prefix computed once", *time_tlkit(backbone, images, n_stages, arguments.n_epochs))]
        for peer, channels_last in (
            ("best naive: channels last, frozen part without gradient", True),
            ("eager", False),
        ):
            epoch_s = time_peer(backbone, images, pictures, n_stages, channels_last, arguments.n_timed)
            rows.append((peer, epoch_s, read_s + arguments.n_epochs * epoch_s))
        print(f"\n{words} trained ({', '.join(backbone.stages[-n_stages:])})")
        print(f"{'':56} {'pictures/s':>10} {'epoch s':>8} {'times':>6} {'whole s':>8} {'times':>6}")
        _, our_epoch_s, our_whole_s = rows[0]
        for arm, epoch_s, whole_s in rows:
            print(
                f"{arm:56} {len(images) / epoch_s:10.0f} {epoch_s:8.2f} {epoch_s / our_epoch_s:6.1f} {whole_s:8.2f} "
                f"{whole_s / our_whole_s:6.1f}",
                flush=True,
            )


def time_tlkit(backbone, images, n_stages, n_epochs):
    """Return (seconds of the fastest epoch, of the whole run) of `tl.transfer`, without stored features."""
    import tlkit as tl

    keys, ends = [*range(-n_stages, 0), "head"], []

    def note(training):
        if not training.computing and training.batch_index == training.n_batches:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLKIT_CACHE_DIR"] = folder
        start = time.perf_counter()
        strategy = tl.Strategy([tl.Phase(keys, n_epochs, LEARNING_RATE)])
        run = tl.transfer(backbone, images, strategy, batch_size=BATCH_SIZE, callbacks=[note], progress=False)
        whole_s = time.perf_counter() - start
    assert run.history[0]["frozen_prefix"] == backbone.stages[-n_stages - 1]
    return min(after - before for before, after in itertools.pairwise(ends)), whole_s


def time_peer(backbone, images, pictures, n_stages, channels_last, n_epochs):
    """Return the seconds of the fastest epoch of a plain loop over pictures, a list of (3, side, side) float32."""
    # With channels_last the frozen prefix also runs in evaluation mode under no_grad. Otherwise only its requires_grad
    # is off.
    import numpy as np
    import torch
    from torch import nn

    network = copy.deepcopy(backbone)
    cut = network.stages[-n_stages - 1]
    frozen = network.until(cut).requires_grad_(False)
    learning = nn.Sequential(network.after(cut), nn.Linear(network.n_features, len(images.classes)))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network.to(memory_format=layout)
    batches = torch.from_numpy(np.stack(pictures)).contiguous(memory_format=layout)
    labels = torch.tensor(images.labels)
    optimizer = torch.optim.AdamW(learning.parameters(), LEARNING_RATE)
    durations_s = []
    for epoch in range(n_epochs):
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(len(labels)))
        frozen.train(not channels_last)
        learning.train()
        start = time.perf_counter()
        for indices in order.split(BATCH_SIZE):
            optimizer.zero_grad()
            with torch.set_grad_enabled(not channels_last):
                maps = frozen(batches[indices])
            nn.functional.cross_entropy(learning(maps), labels[indices]).backward()
            optimizer.step()
        durations_s.append(time.perf_counter() - start)
    return min(durations_s)


if __name__ == "__main__":
    main()
