"""Networks in ONNX files, up to a tensor: as torch modules if they can be converted, else frozen in onnxruntime."""

import contextlib
import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tlkit.arguments import import_extra, suggest
from tlkit.backbones.backbone import draw_inputs
from tlkit.backbones.own_network import make_backbone
from tlkit.cpu.threads import default_states, hide_warnings
from tlkit.notices import warn

_OPSET = 17  # onnx2torch knows few operations of later ones
_TOLERANCE = 1e-5  # of the largest feature
_N_RANKS = (2, 3, 4)  # of tensors that can be features


def import_onnx():
    """Return the modules onnx, onnxruntime and onnx2torch; one line names the extra if one is missing."""
    return import_extra("name: an ONNX file needs", 'pip install "tlkit[onnx]"', "onnx", "onnxruntime", "onnx2torch")


class OnnxNetwork(nn.Module):
    """A network that onnxruntime computes, picture by picture; it has no weights to train."""

    def __init__(self, content):
        super().__init__()
        self.content, self.session = content, None
        self.device_of = nn.Parameter(torch.zeros(()), requires_grad=False)  # every backbone has a device

    def __getstate__(self):
        return vars(self) | {"session": None}  # a session can't be copied

    def extra_repr(self):
        """Return the hash of the file, for the fingerprint."""
        return hashlib.sha256(self.content).hexdigest()

    def forward(self, batch):
        """Return the features of a batch."""
        if self.session is None:
            onnxruntime = import_onnx()[1]
            self.session = onnxruntime.InferenceSession(self.content, providers=["CPUExecutionProvider"])
        name = self.session.get_inputs()[0].name
        pictures = np.ascontiguousarray(batch.detach().cpu().numpy())
        rows = [self.session.run(None, {name: pictures[row : row + 1]})[0] for row in range(len(pictures))]
        return torch.from_numpy(np.concatenate(rows)).to(batch.device)


def _free_batch(onnx, model, version):
    """Return a copy of a model that flattens batches of any size as those of one picture, in another opset if given."""
    # Whether that is right shows in the comparison.
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    sizes = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in copied.graph.initializer}
    for node in copied.graph.node:
        size = sizes.get(node.input[1]) if node.op_type == "Reshape" else None
        if size is not None and len(size) == 2 and size[0] == 1:
            node.CopyFrom(onnx.helper.make_node("Flatten", node.input[:1], node.output, axis=1))
    return onnx.version_converter.convert_version(copied, version) if version else copied


@default_states()
def load_onnx(path, cut, recipe, name=None):
    """Return a `Backbone` of an ONNX file up to the tensor `cut`, by default its first output."""
    onnx, _, onnx2torch = import_onnx()
    path = Path(path).expanduser()
    if recipe is None:
        raise ValueError("recipe: None, but an ONNX file doesn't state its preprocessing: give make_recipe(…)")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        model = onnx.shape_inference.infer_shapes(onnx.load(path))
        cut = model.graph.output[0].name if cut is None else cut
    except Exception as error:  # of protobuf
        raise ValueError(f"name: {path} can't be read as ONNX ({error}): export or download it again") from error
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise ValueError(f"name: {path.name} has {len(inputs)} inputs ({', '.join(inputs)}), expected one")
    values = {value.name: value for value in (*model.graph.value_info, *model.graph.output)}
    tensors = [output for node in model.graph.node for output in node.output if output in values]
    known = [name for name in tensors if len(values[name].type.tensor_type.shape.dim) in _N_RANKS]
    if cut not in tensors:
        last = ", ".join(map(repr, known[:-9:-1]))
        raise ValueError(f"cut: {cut!r} is no tensor of {path.name} at all; the last are {last}; {suggest(cut, known)}")
    part = onnx.utils.Extractor(model).extract_model(inputs, [cut])
    frozen = OnnxNetwork(part.SerializeToString())
    batch = draw_inputs(recipe, 2)
    try:
        expected = frozen(batch)
    except Exception as error:
        raise ValueError(f"recipe: {path.name} fails for a picture {recipe.input_shape} ({error})") from error
    network, reason = frozen, "not all of its operations can be converted to torch"
    for version in (None, _OPSET):
        with contextlib.suppress(Exception), torch.no_grad():
            converted = onnx2torch.convert(_free_batch(onnx, part, version)).eval()
            difference = ((converted(batch) - expected).abs().max() / expected.abs().max()).item()
            reason = f"converted to torch it gives other features, by {difference:.1g} of the largest"
            if difference <= _TOLERANCE:
                network = converted
                break
    if network is frozen:
        warn(f"name: {path.name} is computed by onnxruntime and stays frozen, since {reason}")
    with hide_warnings("module: " if network is frozen else None):
        backbone = make_backbone(network, recipe, name=name or path.stem, classifier=None)
    backbone.provenance |= {"source": "an ONNX file of the user's", "file": str(path), "sha256": digest}
    backbone.made |= {"factory": path.name, "cut": cut, "frozen": network is frozen}
    return backbone
