"""A run as one ONNX graph: a decoded picture of any size in, probabilities out; the preprocessing is part of it."""

import contextlib
import copy
import dataclasses
import io
import json
import warnings

import numpy as np

MODEL = "model.onnx"
_OPSET, _IR = 20, 10
_MODES = {"bilinear": "linear", "bicubic": "cubic"}
_MIN_HALVED = 256  # numbers in a tensor from which on it is worth a cast
_MAX_HALF = 60_000  # float16 ends at 65,504


def import_onnx():
    """Return the modules onnx and onnxruntime; ModuleNotFoundError with the command that installs them."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  (torch.onnx needs it)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'kind: the package {error.name} is not installed: pip install "tlkit[onnx]"', name=error.name
        ) from None
    return onnx, onnxruntime


def write_model(run, folder):
    """Write model.onnx into a folder; return facts for export.json."""
    (folder / MODEL).write_bytes(make_graph(run).SerializeToString())
    return {"model": MODEL}


def open_model(folder, facts):
    """Return (function from an `ImageSet` to probabilities (n, n_classes), name and version of the runtime)."""
    return run_graph((folder / facts["model"]).read_bytes())


def run_graph(content):
    """Return (predict, runtime) as `open_model` does, for the bytes of an ONNX model."""
    _, onnxruntime = import_onnx()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def predict(images):
        pictures = (np.asarray(images.read(index)) for index in range(len(images)))
        return np.concatenate([session.run(["probabilities"], {"picture": picture})[0] for picture in pictures])

    return predict, f"onnxruntime {onnxruntime.__version__}"


def make_graph(run):
    """Return an `onnx.ModelProto` of preprocessing, network and head of a `Run`."""
    onnx, _ = import_onnx()
    recipe = run.backbone.recipe
    network = _convert(run)
    network.ir_version = _IR
    prepared = onnx.compose.add_prefix(_prepare(recipe), "preprocessing.", rename_inputs=False, rename_outputs=False)
    model = onnx.compose.merge_models(prepared, network, [("crop", "crop_in")])
    facts = {"classes": list(run.classes), "recipe": dataclasses.asdict(recipe)}
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=json.dumps(value, ensure_ascii=False))
    onnx.checker.check_model(model)
    return model


def _convert(run):
    """Return the ONNX model of network and head: input "crop_in", outputs "features", "logits", "probabilities"."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            # Copies, so that no other thread sees them on another device or in another mode.
            self.backbone, self.head = copy.deepcopy(run.backbone).cpu(), copy.deepcopy(run.head).cpu()

        def forward(self, crop):
            features = self.backbone(crop)
            logits = self.head(features)
            return features, logits, logits.softmax(1)

    side = run.backbone.image_size_px
    names = ["features", "logits", "probabilities"]
    # The exporter reports its progress, and warns about its own use of torch.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                Network().eval(), (torch.zeros(1, 3, side, side),), dynamo=True, opset_version=_OPSET, verbose=False,
                input_names=["crop_in"], output_names=names,
            )  # fmt: skip
        except Exception as error:  # any layer may have no counterpart
            reason = str(error.__cause__ or error).strip().partition("\n")[0]
            raise ValueError(
                f"kind: {run.backbone.name} can't be expressed in ONNX ({reason}): take kind='openvino'"
            ) from error
    return program.model_proto


# As Pillow resizes: antialiased, the weights of pixels beyond the border shared among the others, rounded to 8 bits.
_PREPROCESSING = """
<ir_version: {ir}, opset_import: ["": {opset}]>
preprocessing (uint8[height, width, 3] picture) => (float[1, 3, {crop}, {crop}] crop)
<int64[1] first = {{0}}, int64[2] axes = {{2, 3}}, int64[2] planes = {{1, 3}}, int64[1] resize = {{{resize}}},
 int64[2] both = {{{resize}, {resize}}}, int64[1] side = {{{crop}}}, int64[1] two = {{2}}, uint8 black = {{0}},
 float half = {{0.5}}, float white = {{255.0}}, float[1, 3, 1, 1] mean = {{{mean}}}, float[1, 3, 1, 1] std = {{{std}}}>
{{
  shape = Shape <start = 0, end = 2> (picture)
  shorter = ReduceMin (shape)
  enlarged = Mul (shape, resize)
  kept = Div (enlarged, shorter)
  size = Identity ({size})
  sizes = Concat <axis = 0> (planes, size)
  turned = Transpose <perm = [2, 0, 1]> (picture)
  pixels = Unsqueeze (turned, first)
  resized = Resize <mode = "{mode}", antialias = 1, cubic_coeff_a = -0.5, exclude_outside = 1> (pixels, , , sizes)
  spare = Sub (size, side)
  inside = Max (spare, first)
  missing = Sub (inside, spare)
  before = Div (missing, two)
  after = Sub (missing, before)
  border = Concat <axis = 0> (before, after)
  padded = Pad (resized, border, black, axes)
  inside_float = Cast <to = 1> (inside)
  halved = Mul (inside_float, half)
  corner_float = Round (halved)
  corner = Cast <to = 7> (corner_float)
  end = Add (corner, side)
  square = Slice (padded, corner, end, axes)
  levels = Cast <to = 1> (square)
  scaled = Div (levels, white)
  centred = Sub (scaled, mean)
  crop = Div (centred, std)
}}
"""


def _prepare(recipe):
    """Return the ONNX model of a recipe: "picture" (height, width, 3) uint8 in, "crop" (1, 3, side, side) out."""
    onnx, _ = import_onnx()
    mean, std = (", ".join(repr(float(value)) for value in values) for values in (recipe.mean, recipe.std))
    text = _PREPROCESSING.format(
        ir=_IR, opset=_OPSET, resize=recipe.resize_size_px, crop=recipe.crop_size_px, mean=mean, std=std,
        mode=_MODES[recipe.interpolation], size="both" if recipe.crop_mode == "squash" else "kept",
    )  # fmt: skip
    return onnx.parser.parse_model(text)


def halve_weights(model):
    """Return a model whose weights are stored as float16, each behind a cast: half the size, float32 arithmetic."""
    onnx, _ = import_onnx()
    half = onnx.ModelProto()
    half.CopyFrom(model)
    for tensor in half.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= _MIN_HALVED and np.abs(values).max() < _MAX_HALF:
            name = tensor.name
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            half.graph.node.insert(0, onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    return half
