"""Claims of lesson 02: general, domain-specific or task-specific; larger networks or larger pictures."""

import functools
import warnings

import numpy as np

import tlkit as tl
from tlkit.claims import Claim, measurement

N_FOLDS, N_DRAWS = 5, 3
# Networks of three kinds of pretraining, with the picture size of each.
GENERAL, TEXT, FILTER = ("efficientnet_lite0", 224), ("ppocr_rec", 48), ("open_nsfw", 224)


@functools.cache
def load(domain):
    """Return the pictures of a domain, or digits that were enlarged by a filter, for example "digits, bicubic"."""
    if not domain.startswith("digits"):
        return tl.load_images("styles", domain=domain)
    from PIL import Image
    from sklearn.datasets import load_digits

    resampling, digits = Image.Resampling[domain.removeprefix("digits, ").upper()], load_digits()
    levels = np.uint8(255 - digits.images * (255 / 16))
    enlarged = [Image.fromarray(level).resize((64, 64), resampling) for level in levels]
    pairs = [(picture, str(label)) for picture, label in zip(enlarged, digits.target, strict=True)]
    return tl.load_images(pairs, domain="digits").few(40, seed=0)


def choose(images, classes):
    """Return the pictures of some classes."""
    return images[np.flatnonzero(np.isin(np.array(images.classes)[images.labels], classes))]


def measure_accuracy(features, images, shots, first_draw=0, head="logistic"):
    """Return the accuracy of a head in each fold, the mean over three draws of the few pictures."""
    accuracies = []
    for fold in range(N_FOLDS):
        train, test = images.split(test_fold=fold)
        tested = features[np.isin(features.names, test.names)]
        with warnings.catch_warnings(action="ignore"):  # of rare classes all pictures are taken
            fews = [train.few(shots, seed=100 * (first_draw + draw) + fold) for draw in range(N_DRAWS)]
        heads = [tl.fit_head(features[np.isin(features.names, few.names)], head) for few in fews]
        accuracies.append(np.mean([head.score(tested) for head in heads]))
    return np.array(accuracies)


@functools.cache
def extract_whole(network, image_size_px, domain, weights="pretrained", seed=0):
    network = tl.load_backbone(network, weights, image_size_px, seed=seed)
    return tl.extract_features(network, load(domain), progress=False)


@measurement(
    {
        "domain": ["clipart", "photo", "sketch"],
        "general_px": [160, 224],
        "resampling": ["bicubic", "bilinear"],
        "shots": [1, 5, 20],
        "head": ["logistic", "ridge"],
        "first_draw": [0, 3, 6],
    },
    text_wins_on_digits=Claim(
        "On handwritten digits, with 1 to 20 pictures per class, a network for text recognition does better than "
        "EfficientNet-Lite0 from ImageNet.",
        "helps",
        ignores=["domain"],
    ),
    text_loses_elsewhere=Claim(
        "On clip-art, photographs and sketches, the network for text recognition does worse than EfficientNet-Lite0.",
        "harms",
        ignores=["resampling"],
    ),
    ranks_cross=Claim(
        "From digits to clip-art, photographs or sketches, text recognition falls back behind EfficientNet-Lite0 by at "
        "least 10 points.",
        (0.10, None),
        effect="difference of gains in accuracy",
    ),
    filter_stays_close=Claim(
        "On clip-art, photographs and sketches, the content filter stays within 15 points of EfficientNet-Lite0.",
        (-0.15, 0.15),
        ignores=["resampling"],
    ),
)
def compare_pretraining(domain, general_px, resampling, shots, head, first_draw):
    """Gains in accuracy over the general network."""
    digits = f"digits, {resampling}"
    general = GENERAL[0], general_px
    accuracy = {
        (network, place): measure_accuracy(extract_whole(*network, place), load(place), shots, first_draw, head)
        for network, place in [(general, digits), (TEXT, digits), (general, domain), (TEXT, domain), (FILTER, domain)]
    }
    gain = {place: accuracy[TEXT, place] - accuracy[general, place] for place in (digits, domain)}
    return {
        "text_wins_on_digits": gain[digits],
        "text_loses_elsewhere": gain[domain],
        "ranks_cross": gain[digits] - gain[domain],
        "filter_stays_close": accuracy[FILTER, domain] - accuracy[general, domain],
    }


@measurement(
    {
        "image_size_px": [160, 224],
        "resampling": ["bicubic", "bilinear", "lanczos"],
        "other_px": [80, 96],
        "shots": [1, 5, 20],
        "head": ["logistic", "ridge"],
        "first_draw": [0, 3, 6],
        "weights_seed": [0, 1],
    },
    filter_loses_on_digits=Claim(
        "On digits, the content filter does worse than the network for text recognition, although it has four times as "
        "many parameters.",
        "harms",
        ignores=["other_px", "weights_seed"],
    ),
    blocky_harms_general=Claim(
        "Digits enlarged to blocks instead of smoothly cost EfficientNet-Lite0 accuracy.",
        "harms",
        ignores=["other_px", "weights_seed"],
    ),
    blocky_costs_text_less=Claim(
        "Blocky digits cost the network for text recognition less than EfficientNet-Lite0.",
        "helps",
        effect="difference of losses in accuracy",
        ignores=["other_px", "weights_seed"],
    ),
    random_weights_win_on_blocks=Claim(
        "On blocky digits, EfficientNet-Lite0 does better with random weights than with those from ImageNet.",
        "helps",
        ignores=["other_px", "resampling"],
    ),
    larger_digits_harm_text=Claim(
        "Digits of 80 or 96 px instead of its own 48 px cost the network for text recognition accuracy.",
        "harms",
        ignores=["image_size_px", "weights_seed"],
    ),
)
def compare_digits(image_size_px, resampling, other_px, shots, head, first_draw, weights_seed):
    """Differences in accuracy between digits enlarged by different filters or to different sizes."""

    def measure(name, size_px, resampling, weights="pretrained"):
        place = f"digits, {resampling}"
        features = extract_whole(name, size_px, place, weights, weights_seed)
        return measure_accuracy(features, load(place), shots, first_draw, head)

    general, text = (GENERAL[0], image_size_px), TEXT
    smooth_text, smooth_general = measure(*text, resampling), measure(*general, resampling)
    blocky_text, blocky_general = measure(*text, "nearest"), measure(*general, "nearest")
    return {
        "filter_loses_on_digits": measure(FILTER[0], image_size_px, resampling) - smooth_text,
        "blocky_harms_general": blocky_general - smooth_general,
        "blocky_costs_text_less": (blocky_text - smooth_text) - (blocky_general - smooth_general),
        "random_weights_win_on_blocks": measure(*general, "nearest", None) - blocky_general,
        "larger_digits_harm_text": measure(TEXT[0], other_px, resampling) - smooth_text,
    }


@measurement(
    {
        "space": ["general", "text", "filter"],
        "kernel": ["gaussian", "laplace", "linear"],
        "shots": [1, 5, 20],
        "reference_fold": [0, 1],
        "weights_seed": [0, 1],
    },
    farther_gains_less=Claim(
        "The farther digits, sketches and clip-art are from photographs, by the maximum mean discrepancy, the less "
        "pretraining on ImageNet gains over random weights.",
        (None, -0.9),
        effect="rank correlation of distance and gain",
    ),
    farther_favours_text=Claim(
        "The farther they are, the better text recognition does in comparison with EfficientNet-Lite0.",
        (0.9, None),
        effect="rank correlation of distance and gain",
        ignores=["weights_seed"],
    ),
)
def order_by_distance(space, kernel, shots, reference_fold, weights_seed):
    """Kendall's rank correlation of distance and gain over four sets of pictures."""
    from scipy.stats import kendalltau

    places = ["photo", "clipart", "sketch", "digits, bicubic"]
    network = {"general": GENERAL, "text": TEXT, "filter": FILTER}[space]
    # Photographs on both sides would be at a distance below zero, so a fold of them stands for the set itself.
    reference, rest = load("photo").split(test_fold=reference_fold)
    photos = extract_whole(*network, "photo")
    here, there = (photos.values[np.isin(photos.names, part.names)] for part in (reference, rest))
    values = {place: extract_whole(*network, place).values for place in places} | {"photo": there}
    distances = [tl.adaptation.distance_mmd(here, values[place], kernel) for place in places]

    def measure(network, weights="pretrained"):
        features = [extract_whole(*network, place, weights, weights_seed) for place in places]
        return np.array(
            [measure_accuracy(one, load(place), shots).mean() for one, place in zip(features, places, strict=True)]
        )

    general = measure(GENERAL)
    return {
        "farther_gains_less": kendalltau(distances, general - measure(GENERAL, None)).statistic,
        "farther_favours_text": kendalltau(distances, measure(TEXT) - general).statistic,
    }


@measurement(
    {
        "domain": ["clipart", "sketch", "emoji", "photo"],
        "larger": ["efficientnet_lite1", "efficientnet_lite2"],
        "shots": [5, 10, 20],
        "head": ["logistic", "ridge"],
        "first_draw": [0, 3],
    },
    larger_pictures_help=Claim(
        "At 5 to 20 pictures per class, EfficientNet-Lite0 does better with pictures of 128 px than of 64 px.",
        "helps",
        ignores=["larger"],
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
