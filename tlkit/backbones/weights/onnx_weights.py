"""Weights in an ONNX file, as a safetensors file for the same network in torch."""

import importlib.resources

import numpy as np
import safetensors.numpy
import torch

from tlkit.arguments import import_extra
from tlkit.backbones.packed_networks import make_lcnet

# Standard deviations of the inputs of open_nsfw's norm layers, estimated by `tools/norm_scales_script.py`.
SCALES = importlib.resources.files("tlkit") / "backbones" / "data" / "open_nsfw_scales.npy"
_EPSILON = 1e-5  # that torch's norm layers add to a variance


def convert(name, content):
    """Return a safetensors file (bytes) of the weights of "open_nsfw" or "ppocr_rec" in their ONNX file (bytes)."""
    (onnx,) = import_extra(
        f"the weights of {name} are in an ONNX file, whose conversion needs",
        'pip install "tlkit[onnx]", or convert it elsewhere: `tlkit backbones add FILE` takes the converted file',
        "onnx",
    )
    graph = onnx.load_from_string(content).graph
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            arrays[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    tensors = _READERS[name](graph.node, arrays)
    return safetensors.numpy.save({key: np.ascontiguousarray(value) for key, value in tensors.items()})


def list_layers():
    """Return [(convolution, norm layer)], the paths of the thin ResNet's layers in the order of the file."""
    layers = [("conv1", "bn1")]
    for stage, n_blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(n_blocks):
            path = f"layer{stage}.{block}"
            layers += [(f"{path}.conv{number}", f"{path}.bn{number}") for number in (1, 2)]
            layers += [(f"{path}.downsample.0", f"{path}.downsample.1")] * (block == 0)
            layers += [(f"{path}.conv3", f"{path}.bn3")]
    return layers


def _read_resnet(nodes, arrays):
    """Return {name: array} of the ResNet, whose convolutions have lost their names but not their order."""
    readers = {}
    for node in nodes:
        for given in node.input:
            readers.setdefault(given, node)
    with SCALES.open("rb") as file:
        scales = np.load(file).astype(np.float32)
    tensors = {}
    convolutions = (node for node in nodes if node.op_type == "Conv")
    for node, (convolution, norm) in zip(convolutions, list_layers(), strict=True):
        # A bias is added and a mean subtracted. The variance is merged into the factor, so it is put in by estimate:
        # this changes nothing while statistics are frozen, and lets them move from the right scale.
        bias, mean, factor, shift = _follow(node.output[0], readers, arrays)
        variance, scales = scales[: len(mean)] ** 2, scales[len(mean) :]
        tensors[f"{convolution}.weight"] = arrays[node.input[1]]
        tensors |= {f"{norm}.running_mean": mean - bias, f"{norm}.running_var": variance}
        tensors |= {f"{norm}.weight": factor * np.sqrt(variance + np.float32(_EPSILON)), f"{norm}.bias": shift}
    tensors["conv1.weight"] = tensors["conv1.weight"][:, ::-1]  # the file wants blue first
    return tensors


def _follow(value, readers, arrays):
    """Return the constants of the four operations with one behind a convolution."""
    constants = []
    while len(constants) < 4:
        node = readers[value]
        constants += [arrays[given].reshape(-1) for given in node.input if given in arrays]
        value = node.output[0]
    return constants


def _read_lcnet(nodes, arrays):
    """Return {name: array} of the PP-LCNetV3, whose layers use their arrays in the order of its modules."""
    used = [arrays[given] for node in nodes for given in node.input if given in arrays and ".helper." not in given]
    with torch.device("meta"):  # names alone, without drawing numbers
        names = [name for name in make_lcnet().state_dict() if not name.endswith("num_batches_tracked")]
    tensors = dict(zip(names, used, strict=False))  # the file goes on with what turns the map into text
    tensors["stem.0.weight"] = tensors["stem.0.weight"][:, ::-1]  # the file wants blue first
    return tensors


_READERS = {"open_nsfw": _read_resnet, "ppocr_rec": _read_lcnet}
