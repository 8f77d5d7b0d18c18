"""Claims of lesson 02: general, domain-specific or task-specific; larger networks or larger pictures."""

import functools

import numpy as np

import tlkit as tl
from tlkit.claims import Claim, measurement

TUNING = tl.Strategy([tl.Phase(["head"], None), tl.Phase([-1, -2, -3, -4, "head"], 6, 3e-4)], name="last_four_stages")
N_FOLDS, N_DRAWS = 5, 3


@functools.cache
def load(domain):
    return tl.load_images("styles", domain=domain)


def choose(images, classes):
    """Return the pictures of some classes."""
    return images[np.flatnonzero(np.isin(np.array(images.classes)[images.labels], classes))]


def measure_accuracy(features, images, shots, first_draw=0, head="logistic"):
    """Return the accuracy of a head in each fold, the mean over three draws of the few pictures."""
    accuracies = []
    for fold in range(N_FOLDS):
        train, test = images.split(test_fold=fold)
        tested = features[np.isin(features.names, test.names)]
        fews = [train.few(shots, seed=100 * (first_draw + draw) + fold) for draw in range(N_DRAWS)]
        heads = [tl.fit_head(features[np.isin(features.names, few.names)], head) for few in fews]
        accuracies.append(np.mean([head.score(tested) for head in heads]))
    return np.array(accuracies)


def split_classes(half):
    """Return every other class, and the rest."""
    classes = load("clipart").classes
    return classes[half::2], classes[1 - half :: 2]


# A replication whose networks were tuned for an earlier one has the duration of that one in the table.
@functools.cache
def extract(half, tuned_on, tuned_half, target, target_half):
    """Return features of one half of the target's classes, of a network tuned on a half of another domain's classes."""
    network = tl.load_backbone("efficientnet_lite0", image_size_px=96)
    if tuned_on is not None:
        pictures = choose(load(tuned_on), split_classes(half)[tuned_half])
        network = tl.transfer(network, pictures, TUNING, seed=0, progress=False).backbone
    pictures = choose(load(target), split_classes(half)[target_half])
    return tl.extract_features(network, pictures, "torch", progress=False), pictures


@measurement(
    {
        "half": [0, 1],
        "source": ["emoji", "twemoji"],
        "target": ["clipart", "sketch"],
        "shots": [5, 10],
        "first_draw": [0, 3],
    },
    task_specific_helps=Claim(
        "At five to ten pictures per class, EfficientNet-Lite0 does better on clip-art and sketches if it was tuned on "
        "emoji of the same classes.",
        "helps",
    ),
    domain_specific_loses_little=Claim(
        "If it was tuned on other classes of the same style, its accuracy falls by 9 points at most.", (-0.09, None)
    ),
    seen_pictures_look_easy=Claim(
        "On the very pictures that a network was tuned on, its new head gains at least 15 points.", (0.15, None)
    ),
)
def compare_pretraining(half, source, target, shots, first_draw):
    """Gain over the general network."""

    def gain(tuned_on, tuned_half, target_half):
        accuracies = [
            measure_accuracy(*extract(half, *tuned, target, target_half), shots, first_draw)
            for tuned in ((tuned_on, tuned_half), (None, None))
        ]
        return accuracies[0] - accuracies[1]

    return {
        "task_specific_helps": gain(source, 0, 0),
        "domain_specific_loses_little": gain(target, 1, 0),
        "seen_pictures_look_easy": gain(target, 1, 1),
    }


@functools.cache
def extract_whole(network, image_size_px, domain, weights="pretrained", seed=0):
    network = tl.load_backbone(network, weights, image_size_px, seed=seed)
    return tl.extract_features(network, load(domain), progress=False)


@measurement(
    {
        "domain": ["clipart", "sketch", "emoji", "photo"],
        "larger": ["efficientnet_lite1", "efficientnet_lite2"],
        "shots": [5, 10, 20],
        "head": ["logistic", "ridge"],
        "first_draw": [0, 3],
    },
    larger_pictures_help=Claim(
        "At 5 to 20 pictures per class, EfficientNet-Lite0 does better with pictures of 128 px than of 64 px.", "helps"
    ),
    larger_networks_cannot_be_told=Claim(
        "At 128 px, five folds can't tell whether EfficientNet-Lite1 or -Lite2 is better than -Lite0.", "can't tell"
    ),
    pictures_beat_networks=Claim(
        "EfficientNet-Lite0 with pictures of 128 px is better than Lite1 or Lite2 with pictures of 64 px.", "helps"
    ),
)
def compare_sizes(domain, larger, shots, head, first_draw):
    """Gain of larger pictures and of larger networks."""

    def measure(network, image_size_px):
        features = extract_whole(network, image_size_px, domain)
        return measure_accuracy(features, load(domain), shots, first_draw, head)

    base = measure("efficientnet_lite0", 128)
    return {
        "larger_pictures_help": base - measure("efficientnet_lite0", 64),
        "larger_networks_cannot_be_told": measure(larger, 128) - base,
        "pictures_beat_networks": base - measure(larger, 64),
    }


@measurement(
    {"domain": ["clipart", "sketch", "emoji"], "image_size_px": [64, 128], "shots": [5, 20], "weights_seed": [0, 1]},
    photographs_gain_most=Claim(
        "Pretraining on photographs gains more on photographs than on clip-art, sketches or emoji of the same classes.",
        "helps",
        effect="difference of gains in accuracy",
    ),
)
def compare_domains(domain, image_size_px, shots, weights_seed):
    """Gain over random weights on photographs, minus the gain on another domain."""
    photographed = [load("photo").classes[label] for label in np.unique(load("photo").labels)]

    def gain(domain):
        images = choose(load(domain), photographed)
        settings = [("pretrained", 0), (None, weights_seed)]
        accuracies = [
            measure_accuracy(extract_whole("efficientnet_lite0", image_size_px, domain, *one), images, shots)
            for one in settings
        ]
        return accuracies[0] - accuracies[1]

    return {"photographs_gain_most": gain("photo") - gain(domain)}


@measurement(
    {
        "network": ["efficientnet_lite0", "efficientnet_lite2", "resnet18", "mobilenet_v3_small"],
        "image_size_px": [64, 96, 112],
        "cut": [-1, -2],
    },
    doubling_quadruples_operations=Claim(
        "Pictures of twice the height and width take about four times the operations.", (3.3, 4.1), effect="ratio"
    ),
)
def count_operations(network, image_size_px, cut):
    """Ratio of the operations."""
    backbones = [tl.load_backbone(network, None, size_px) for size_px in (image_size_px, 2 * image_size_px)]
    small, large = (backbone.cost(backbone.stages[cut]).n_flops for backbone in backbones)
    return {"doubling_quadruples_operations": large / small}
