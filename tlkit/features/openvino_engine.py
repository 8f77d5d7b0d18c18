"""OpenVINO: networks are converted once, kept on disk, and later run on the CPU without torch."""

import collections
import contextlib
import copy
import functools
import hashlib
import importlib.metadata
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from tlkit.cpu.threads import convolutions, default_states, hide_warnings
from tlkit.notices import warn
from tlkit.storage import PARTIAL_PREFIX, cache_folder, find_kept

BATCH_SIZE = 8
_TOLERANCE = 1e-3  # of the largest value; rounding makes up to 1e-4


def import_openvino():
    """Return the module `openvino`, which then sends nothing over the network."""
    # OpenVINO does without its part that reports imports and conversions to its maker, and keeps an id at home.
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


@functools.cache
def open_core():
    """Return the `Core` of OpenVINO, which lives as long as this process."""
    # A Core gives the main thread a stack for signals. If two end in the order in which they began, that stack is gone,
    # and the next signal, such as Ctrl-C, would end the process.
    return import_openvino().Core()


_kept_engine = {}  # of one text encoder: compiling takes longer than some sentences


def open_openvino(network, output, arithmetic, start=None):
    """Return the `OpenVINOEngine` of one `Output` of a `FrozenNetwork`; that of the last text encoder is kept."""
    key = network.fingerprint, output, arithmetic, os.getpid()  # threads don't come along into a forked process
    engine = _kept_engine.get(key)
    if engine is None:
        engine = OpenVINOEngine(adapt(network, output, start), arithmetic)
        if network.recipe.noun == "text" and network.is_covered:
            _kept_engine.clear()
            _kept_engine[key] = engine
    return engine


class OpenVINOEngine:
    """A model of one output, compiled for this processor in "f32" or "bf16" arithmetic."""

    batch_size = BATCH_SIZE

    def __init__(self, model, arithmetic):
        # The arithmetic is always given: by default OpenVINO would use bf16 units and change the third digit.
        settings = {"INFERENCE_PRECISION_HINT": arithmetic, "PERFORMANCE_HINT": "THROUGHPUT"}
        self._compiled = open_core().compile_model(model, "CPU", settings)

    def run(self, batches):
        """Yield (batch_size, *shape) float32 for each batch; the next batches are made while some are computed."""
        # OpenVINO's queue with a callback can deadlock: if the network is deleted, each waits for the other's lock.
        n_requests = self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        free = [self._compiled.create_infer_request() for _ in range(n_requests)]
        running = collections.deque()
        for batch in batches:
            values = None
            if not free:
                free.append(running.popleft())
                values = _wait_for(free[-1])
            request = free.pop()
            request.start_async({0: batch})
            running.append(request)
            if values is not None:
                yield values
        for request in running:
            yield _wait_for(request)


def _wait_for(request):
    """Return a copy of the output of a running request, once it has finished."""
    request.wait()
    return request.get_output_tensor(0).data.copy()


def adapt(network, output, start=None):
    """Return a model of one output: standardisation or a stage `start` in front, the mean over spatial axes behind."""
    operations = import_openvino().opset15
    converted = read_converted(network).clone()
    index = len(network.stages) if output.stage is None else network.stages.index(output.stage)
    wanted = converted.outputs[index].node.input_value(0)
    if network.recipe.noun == "text":
        if output.stage is not None and output.pooled and output.spatial_axes:
            hidden, mask = operations.variadic_split(wanted, np.int64(2), np.array([-1, 1])).outputs()
            sums = [operations.reduce_sum(each, np.int64(1)) for each in (operations.multiply(hidden, mask), mask)]
            wanted = operations.divide(sums[0], operations.maximum(sums[1], np.float32(1))).output(0)
        return import_openvino().Model([wanted], converted.get_parameters())
    if output.stage is not None and output.pooled and output.spatial_axes:
        wanted = operations.reduce_mean(wanted, np.array(output.spatial_axes), False).output(0)
    elif not output.pooled and output.spatial_axes == (1, 2):
        wanted = operations.transpose(wanted, np.array([0, 3, 1, 2])).output(0)
    if start is not None:
        cut = converted.outputs[network.stages.index(start)].node.input_value(0)
        if len(cut.get_target_inputs()) == 1:  # the stage's output times 1, which nothing but the result reads
            cut = cut.node.input_value(0)
        inputs = operations.parameter([BATCH_SIZE, *network.output(start, None).shape], cut.element_type)
        for reader in cut.get_target_inputs():
            reader.replace_source_output(inputs.output(0))
        return import_openvino().Model([wanted], [inputs])
    return standardise([wanted], converted, network.recipe)


def standardise(outputs, converted, recipe):
    """Return a model of some outputs of a converted one, which takes crops (BATCH_SIZE, height, width, 3) uint8."""
    openvino = import_openvino()
    from openvino.preprocess import PrePostProcessor

    model = openvino.Model(outputs, converted.get_parameters())
    model.reshape([BATCH_SIZE, *recipe.input_shape])
    prepared = PrePostProcessor(model)
    prepared.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    prepared.input().model().set_layout(openvino.Layout("NCHW"))
    prepared.input().preprocess().convert_element_type(openvino.Type.f32).mean(
        [255 * mean for mean in recipe.mean]
    ).scale([255 * std for std in recipe.std])
    return prepared.build()


def read_converted(network):
    """Return a `FrozenNetwork` as an `openvino.Model` with one output per stage, then the features."""
    # One conversion, which needs torch and takes seconds, serves every cut of the network.
    name = f"{network.fingerprint[:32]}-openvino-{importlib.metadata.version('openvino')}-stages.xml"
    path, *others = (find_kept("converted", Path(name).with_suffix(suffix)) for suffix in (".xml", ".bin", ".sha256"))
    if network.is_covered and None not in (path, *others) and is_intact(path):
        with contextlib.suppress(OSError):  # in another user's folder
            path.touch()  # the cache removes files by the time of their last use
        with contextlib.suppress(RuntimeError):  # another process may just have cleared the cache
            return open_core().read_model(path)
    converted = convert(network.backbone, network.origin)
    if network.is_covered:
        path = cache_folder() / "converted" / name
        try:
            _keep(converted, path)
            converted = open_core().read_model(path)  # writing changes the last digit of some networks
        except (OSError, RuntimeError) as error:  # OpenVINO raises the latter if the disk is full
            advice = "make room there, or set TLKIT_CACHE_DIR to a folder of yours"
            warn(f"the converted network can't be kept in {path.parent} ({error}): {advice}")
    return converted


def _keep(converted, path):
    """Write a converted network as three files; the hash comes last, and without it the others are not read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL_PREFIX + path.name[:32], dir=path.parent) as folder:
        made = Path(folder) / path.name
        import_openvino().save_model(converted, made, compress_to_fp16=False)
        made.with_suffix(".sha256").write_text(hash_model(made))
        for suffix in (".bin", ".xml", ".sha256"):
            made.with_suffix(suffix).replace(path.with_suffix(suffix))


def is_intact(path):
    """Return whether a converted network (path of its .xml) has the hash that was written with it."""
    try:
        return path.with_suffix(".sha256").read_text() == hash_model(path)
    except (OSError, ValueError):
        return False


def hash_model(path, *others):
    """Return the SHA-256 of the .xml and .bin files of a converted network and other files, 64 hexadecimal digits."""
    content = hashlib.sha256()
    for part in (path, path.with_suffix(".bin"), *others):
        with open(part, "rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return content.hexdigest()


def convert(backbone, origin=None):
    """Return a `Backbone` as an `openvino.Model` of all stages' outputs, first ones from its origin's conversion."""
    import torch

    from tlkit.backbones.backbone import draw_inputs, hash_tensors

    class EveryStage(torch.nn.ModuleList):
        def forward(self, batch):
            outputs = []
            for layer in self:
                batch = layer(batch)
                outputs.append(batch * 1)  # OpenVINO refuses some operations, such as hard swish, as an output
            return tuple(outputs)

    # A copy, so that no other thread sees the backbone on another device or in another mode.
    backbone = copy.deepcopy(backbone).cpu().eval()
    layers = EveryStage([*backbone.body.values(), backbone.tail])
    pairs = zip(layers, origin.backbone.body.values(), strict=False) if origin else []
    same = [len({hash_tensors(stage.state_dict()) for stage in pair}) == 1 for pair in pairs]
    n_same = [*same, False].index(False)
    with default_states(), torch.no_grad():
        batch = draw_inputs(backbone.recipe, BATCH_SIZE)
        # Texts are computed at any length.
        shapes = ({1: torch.export.Dim("length", max=backbone.recipe.input_size)},) if batch.ndim == 3 else None
        inputs = torch.nn.Sequential(*layers[:n_same])(batch)
        with convolutions.alone(), hide_warnings("The tensor attribute"):  # of recurrent layers
            exported = torch.export.export(layers[n_same:], (inputs,), dynamic_shapes=shapes)
            converted = import_openvino().convert_model(exported)
        if n_same:
            first = read_converted(origin).clone()
            for reader in converted.inputs[0].get_target_inputs():
                reader.replace_source_output(first.outputs[n_same - 1].node.input_value(0))
            outputs = [each.node.input_value(0) for each in (*first.outputs[:n_same], *converted.outputs)]
            converted = import_openvino().Model(outputs, first.get_parameters())
        # The backbone itself gives the features: it may have been given a hook or another way to compute them.
        expected = dict(zip(backbone.stages, layers(batch[:1]), strict=False))
        _compare(converted, batch.numpy(), expected | {"its features": backbone(batch[:1])}, backbone.name)
    return converted


def _compare(converted, batch, expected, name):
    """Raise ValueError if a converted network and torch ({stage: output of the first picture}) differ on a batch."""
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    outputs = open_core().compile_model(converted, "CPU", settings)([batch])
    for (stage, values), output in zip(expected.items(), outputs.values(), strict=True):
        values = values.numpy()
        # OpenVINO's ReLU makes 0 of NaN, so that nobody would find it afterwards.
        if not np.isfinite(values).all():
            raise ValueError(f"backbone: {name} computes NaN or infinite values in {stage}: take other weights")
        difference, scale = np.abs(output[:1] - values).max(), np.abs(values).max()
        if not difference <= _TOLERANCE * scale:
            size = f"they differ by {difference:.3g}, of up to {scale:.3g}; take engine='torch'"
            raise ValueError(f"engine: 'openvino' computes other values than torch in {stage} of {name}: {size}")
