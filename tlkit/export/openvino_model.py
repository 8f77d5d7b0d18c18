"""Network and head of a run as an OpenVINO model, with the tensors of its rejection beside it."""

import dataclasses
import importlib.metadata
import json
from pathlib import Path

from safetensors.numpy import save_file

from tlkit.export.predictor import MODEL, TENSORS, hash_head, open_predictor
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.features.openvino_engine import BATCH_SIZE, hash_model, import_openvino, read_converted


def write_model(run, folder):
    """Write model.xml, model.bin and rejection.safetensors of a run into a folder; return their name and hash."""
    openvino, folder = import_openvino(), Path(folder)
    network, recipe = FrozenNetwork.of(run.backbone), run.backbone.recipe
    converted = read_converted(network).clone()
    features = converted.outputs[len(network.stages)].node.input_value(0)
    weight, bias = (value.detach().cpu().numpy() for value in (run.head.weight, run.head.bias))
    logits = openvino.opset15.add(openvino.opset15.matmul(features, weight, False, True), bias).output(0)
    model = openvino.Model([features, logits], converted.get_parameters(), "tlkit")
    model.reshape([BATCH_SIZE, *recipe.input_shape])
    for port, name in zip((*model.inputs, *model.outputs), ("pictures", "features", "logits"), strict=True):
        port.get_tensor().set_names({name})
    facts = {"classes": list(run.classes), "recipe": dataclasses.asdict(recipe)}
    facts |= {"rejection": run.rejection and run.rejection.describe(), "head": hash_head(weight, bias)}
    model.set_rt_info(json.dumps(facts), ["tlkit", "facts"])  # in the file, and so covered by its hash
    openvino.save_model(model, folder / MODEL, compress_to_fp16=False)
    save_file(run.rejection.tensors if run.rejection else {}, folder / TENSORS)
    return {"model": MODEL, "sha256": hash_model(folder / MODEL, folder / TENSORS)}


def predict(folder, facts, images):
    """Return the probabilities (n, n_classes) of an `ImageSet` by a written model, and the runtime."""
    return open_predictor(folder, facts["sha256"]).predict(images), f"openvino {importlib.metadata.version('openvino')}"
