"""A run as one ONNX graph: a decoded picture of any size in, probabilities out; the preprocessing is part of it."""

import copy
import json
import string
from importlib.resources import files

import numpy as np

from tlkit.arguments import import_extra
from tlkit.cpu.threads import convolutions, default_states, hide_warnings

MODEL = "model.onnx"
_OPSET, _IR = 20, 10
_MODES = {"bilinear": "linear", "bicubic": "cubic"}
_MIN_HALVED = 256  # numbers in a tensor from which on it is worth to store it in half the bytes
_EXACT = ("centres", "directions")


def import_onnx():
    """Return the modules onnx and onnxruntime; ModuleNotFoundError with the command that installs them."""
    names = "onnx", "onnxruntime", "onnxscript"  # torch.onnx needs the last
    return import_extra("kind: an ONNX model needs", 'pip install "tlkit[onnx]"', *names)[:2]


def write_model(run, folder):
    """Write model.onnx into a folder; return facts for export.json."""
    (folder / MODEL).write_bytes(make_graph(run).SerializeToString())
    return {"model": MODEL}


def add_card(folder, facts, text):
    """Put the text of the card into model.onnx."""
    model = import_onnx()[0].load(folder / facts["model"])
    model.metadata_props.add(key="card", value=text)
    (folder / facts["model"]).write_bytes(model.SerializeToString())


def predict(folder, facts, images):
    """Return all outputs (n, n_outputs) of a written model for an `ImageSet`, and the runtime."""
    return run_graph((folder / facts["model"]).read_bytes(), images)


def run_graph(content, images):
    """Return what `predict` does, for the bytes of an ONNX model."""
    _, onnxruntime = import_onnx()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    pictures = (np.asarray(images.read(index)) for index in range(len(images)))
    try:
        values = [np.concatenate(session.run(None, {"picture": picture}), axis=None) for picture in pictures]
    except Exception as error:  # those of onnxruntime have no class in common
        raise ValueError(f"kind: onnxruntime can't compute the model ({error}): take kind='openvino'") from error
    return np.array(values), f"onnxruntime {onnxruntime.__version__}"


def make_graph(run):
    """Return an `onnx.ModelProto` of preprocessing, network, head and rejection of a `Run`."""
    onnx, _ = import_onnx()
    network = _convert(run)
    network.ir_version = _IR
    model = onnx.compose.merge_models(_prepare(run.backbone.recipe), network, [("crop", "crop_in")])
    facts = {"classes": list(run.classes), "recipe": run.backbone.recipe.describe()}
    facts["rejection"] = run.rejection and run.rejection.describe()
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=json.dumps(value, ensure_ascii=False))
    onnx.checker.check_model(model)
    return model


def _convert(run):
    """Return the ONNX model behind the preprocessing: "crop_in" in, "probabilities" and perhaps "familiarity" out."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            # Copies, so that no other thread sees them on another device or in another mode.
            self.backbone, self.head = copy.deepcopy(run.backbone).cpu(), copy.deepcopy(run.head).cpu()
            for name, values in (run.rejection.tensors if run.rejection else {}).items():
                self.register_buffer(name, torch.from_numpy(values))

        def forward(self, crop):
            features = self.backbone(crop)
            probabilities = self.head(features).softmax(1)
            if run.rejection is None:
                return probabilities
            # As `Rejection.familiarity` computes it, but of the differences, which float32 is enough for.
            offsets = features / features.norm(dim=1).clamp_min(1e-12) - self.centres
            distances = offsets.square().sum(1) - (offsets @ self.directions).square().sum(1)
            return probabilities, -distances.amin(0, keepdim=True)

    crops = (torch.zeros(1, run.backbone.recipe.n_channels, run.backbone.image_size_px, run.backbone.image_size_px),)
    names = {"input_names": ["crop_in"], "output_names": ["probabilities", "familiarity"][: 1 + bool(run.rejection)]}
    try:
        with default_states(), convolutions.alone(), torch.no_grad(), hide_warnings("The tensor attribute"):
            program = torch.onnx.export(
                Network().eval(), crops, dynamo=True, opset_version=_OPSET, verbose=False, **names
            )
    except Exception as error:  # any layer may have no counterpart
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise ValueError(
            f"kind: {run.backbone.name} can't be expressed in ONNX ({reason}): take kind='openvino'"
        ) from error
    return program.model_proto


def _prepare(recipe):
    """Return the ONNX model of a recipe: "picture" (height, width, 3) uint8 in, "crop" (1, 3, side, side) out."""
    # It resizes as Pillow does: antialiased, the weights of pixels beyond the border shared among the others, and
    # rounded to 8 bits after each axis. Levels differ by 1 at most, unless Pillow takes the axes in the other order.
    onnx, _ = import_onnx()
    if len(recipe.mean) != 3:
        raise ValueError(f"kind: the network takes {len(recipe.mean)} channels, expected 3: take kind='openvino'")
    mean, std = (", ".join(repr(float(value)) for value in values) for values in (recipe.mean, recipe.std))
    size = "Concat <axis = 0> (resize, resize)" if recipe.crop_mode == "squash" else "Identity (kept)"
    settings = {"mode": _MODES[recipe.interpolation], "resize": recipe.resize_size_px, "crop": recipe.crop_size_px}
    text = (files("tlkit.export") / "data" / "preprocessing.onnxtxt").read_text(encoding="utf-8")
    text = string.Template(text).substitute(ir=_IR, opset=_OPSET, mean=mean, std=std, size=size, **settings)
    model = onnx.parser.parse_model(text)
    return onnx.compose.add_prefix(model, "preprocessing.", rename_inputs=False, rename_outputs=False)


def halve_weights(model):
    """Return a model whose weights are stored as int16 with a scale per row: half the size, float32 arithmetic."""
    # The step is 1 / 32,767 of the largest weight of a row. The numbers next to a float16 are further away on average.
    onnx, _ = import_onnx()
    half = onnx.ModelProto()
    half.CopyFrom(model)
    for tensor in list(half.graph.initializer):
        name, values = tensor.name, onnx.numpy_helper.to_array(tensor)
        # Familiarity is a small difference of large numbers, so its tensors stay.
        if values.dtype != np.float32 or values.ndim < 2 or values.size < _MIN_HALVED or name in _EXACT:
            continue
        largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
        scale = np.maximum(largest / 32_767, np.finfo(np.float32).tiny).astype(np.float32)
        whole, steps, cast = f"{name}.whole", f"{name}.steps", f"{name}.cast"
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.rint(values / scale).astype(np.int16), whole))
        half.graph.initializer.append(onnx.numpy_helper.from_array(scale, steps))
        half.graph.node.insert(0, onnx.helper.make_node("Mul", [cast, steps], [name]))
        half.graph.node.insert(0, onnx.helper.make_node("Cast", [whole], [cast], to=onnx.TensorProto.FLOAT))
    return half
