"""Network and head of a run as an OpenVINO model, with the tensors of its rejection beside it."""

import dataclasses
import hashlib
import json
from pathlib import Path

from tlkit.features.frozen_network import FrozenNetwork
from tlkit.features.openvino_engine import convert, hash_model, import_openvino, read_converted

MODEL, REJECTION = "model.xml", "rejection.safetensors"


def write_model(run, folder):
    """Write a run's model.xml, model.bin and rejection.safetensors into a folder; return facts for export.json."""
    openvino = import_openvino()
    from openvino import opset15 as operations

    # Of an unchanged network, the features' conversion is used; a changed one is converted once and not kept.
    network = FrozenNetwork.of(run.backbone)
    converted = convert(run.backbone) if run.changed else read_converted(network).clone()
    features = converted.outputs[len(network.stages)].node.input_value(0)
    weight, bias = (value.detach().cpu().numpy() for value in (run.head.weight, run.head.bias))
    logits = operations.add(operations.matmul(features, weight, False, True), bias).output(0)
    model = openvino.Model([features, logits], converted.get_parameters(), "tlkit")
    model.inputs[0].get_tensor().set_names({"pictures"})
    for output, name in zip(model.outputs, ("features", "logits"), strict=True):
        output.get_tensor().set_names({name})
    # Covered by the hash of the file, as export.json itself isn't.
    model.set_rt_info(describe_input(run.classes, run.backbone.recipe), ["tlkit", "input"])
    openvino.save_model(model, Path(folder) / MODEL, compress_to_fp16=False)
    return {"model": MODEL, "sha256": hash_model(Path(folder) / MODEL), "head": hash_head(weight, bias)}


def describe_input(classes, recipe):
    """Return the classes and the recipe of a model as a JSON text."""
    return json.dumps({"classes": list(classes), "recipe": dataclasses.asdict(recipe)}, sort_keys=True)


def hash_head(weight, bias):
    """Return a SHA-256 of the weights (n_classes, n_features) and biases of a head, by which a run is known again."""
    return hashlib.sha256(weight.astype("<f4").tobytes() + bias.astype("<f4").tobytes()).hexdigest()
