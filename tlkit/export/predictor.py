"""Predictions by a run's OpenVINO export: without torch, and any number of pictures in constant memory."""

import collections
import hashlib
import json
import types
from pathlib import Path

import numpy as np
import safetensors.numpy

from tlkit.backbones.recipe import Recipe
from tlkit.cpu.threads import default_states
from tlkit.evaluation.rejection import Rejection
from tlkit.features.crops import count_processors, read_crop, run_ahead
from tlkit.features.engines import has_gpu, open_engine, run_in_batches
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.features.openvino_engine import OpenVINOEngine, hash_model, import_openvino, open_core, standardise
from tlkit.heads.numerics import softmax
from tlkit.images.inputs import gather_pictures, make_entry

FACTS, MODEL, TENSORS = "export.json", "model.xml", "rejection.safetensors"
_N_AHEAD = 64  # pictures that are decoded ahead of the network
_FAULTS = (KeyError, TypeError, AttributeError, ValueError, OSError, RuntimeError, safetensors.SafetensorError)

# `error` is None, or the reason why a picture can't be read; the other values are then those of a blank one.
Prediction = collections.namedtuple("Prediction", "name probabilities rejected error")


class Predictor:
    """Classes, recipe and rejection of a run, and an engine that computes features and logits side by side."""

    def __init__(self, classes, recipe, rejection, engine):
        self.classes, self.recipe, self.rejection, self._engine = list(classes), recipe, rejection, engine

    def predict(self, pictures):
        """Return the probabilities (n, n_classes) float64 of pictures, as `Run.predict` does."""
        return np.array([one.probabilities for one in self._read_all(pictures)]).reshape(-1, len(self.classes))

    def classify(self, pictures, reject=None):
        """Return a DataFrame with file_name, class, probability and rejected of pictures, as `Run.classify` does."""
        import pandas as pd

        rows = [self.describe(one) for one in self._read_all(pictures, reject)]
        return pd.DataFrame(rows, columns=["file_name", "class", "probability", "rejected"])

    def describe(self, prediction, n_top=1):
        """Return {column: value} of a prediction, with the most probable classes."""
        row, order = {"file_name": prediction.name}, (-prediction.probabilities).argsort(kind="stable")
        for place, index in enumerate(order[:n_top].tolist(), 1):
            end = f"_{place}" if place > 1 else ""
            probability = round(float(prediction.probabilities[index]), 6)
            row |= {f"class{end}": self.classes[index], f"probability{end}": probability}
            row["rejected"] = prediction.rejected
        return row

    def stream(self, pictures, reject=None):
        """Yield a `Prediction` for each picture of an iterable, in order; one that can't be read has an error."""
        if reject is not None and self.rejection is None:
            raise ValueError(f"reject: {reject}, but the run has no threshold: use fit_rejection, then export it again")
        waiting = collections.deque()

        def read_ahead():
            for name, crop, error in run_ahead(self._read, enumerate(pictures), count_processors(), _N_AHEAD):
                waiting.append((name, error))
                yield crop

        for values in run_in_batches(self._engine, read_ahead()):
            features, logits = np.split(values.astype(np.float64), [-len(self.classes)], axis=1)
            with default_states():
                probabilities, rejected = softmax(logits), np.zeros(len(logits), bool)
                if self.rejection is not None:
                    rejected = self.rejection.reject(self.rejection.familiarity(features), reject)
            for row, is_rejected in zip(probabilities, rejected.tolist(), strict=True):
                name, error = waiting.popleft()
                yield Prediction(name, row, is_rejected, error)

    def _read_all(self, pictures, reject=None):
        """Yield the predictions; the first picture that can't be read raises its error."""
        for one in self.stream(gather_pictures(pictures).pictures, reject):
            if one.error:
                raise one.error
            yield one

    def _read(self, numbered):
        """Return (name, crop, error) of (index, picture); one that can't be read keeps its place by a blank crop."""
        index, item = numbered
        name = str(item)
        try:
            file = item if hasattr(item, "location") else make_entry("pictures", index, item)[2]
            name = file.location
            return name, read_crop(file, self.recipe), None
        except (TypeError, MemoryError):  # of the caller or the machine
            raise
        except Exception as error:  # any other error concerns this picture alone
            return name, np.zeros(self.recipe.crop_shape, self.recipe.crop_dtype), error


def load_predictor(folder: str | Path) -> Predictor:
    """Load the OpenVINO export of a run, to predict without torch.

    Parameters
    ----------
    folder : str or Path
        Folder of a run with an export, or of the export itself.

    Returns
    -------
    Predictor
        With `classes`, `predict` and `classify`, which give the results of `Run` within 1e-4. For any iterable of
        pictures, `stream(pictures, reject=None)` yields name, probabilities, rejected and error of one after another.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no export, or a file of it is missing, damaged or of another run.

    Examples
    --------
    >>> import tempfile
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(tl.load_backbone(image_size_px=32), images, "linear_probe", progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     facts = run.export(folder, kind="openvino", pictures=images, progress=False)
    ...     predictor = tl.export.load_predictor(folder)
    >>> np.allclose(predictor.predict(images), run.predict(images), atol=1e-4)
    True
    """
    folder = Path(folder).expanduser().absolute()
    place = folder if (folder / FACTS).is_file() else folder / "export" / "openvino"
    if not (place / FACTS).is_file():
        found = "has no OpenVINO export" if folder.is_dir() else "is no folder"
        raise FileNotFoundError(f"folder: {folder} {found}, expected a run that was exported as kind openvino")
    try:
        facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
        return open_predictor(place, facts["sha256"], _find_state(place.parent.parent))
    except _FAULTS as error:
        fault = f"{type(error).__name__}: {error}"
        raise ValueError(f"folder: {place} can't be used ({fault}): export the run again as kind openvino") from error


def open_predictor(folder, sha256, state=None):
    """Return the `Predictor` of the files in a folder, if they have this hash and are of the run with this state."""
    operations = import_openvino().opset15
    if hash_model(folder / MODEL, folder / TENSORS) != sha256:
        raise ValueError(f"{MODEL}, model.bin or {TENSORS} is not as it was exported")
    model = open_core().read_model(folder / MODEL)
    facts = json.loads(model.get_rt_info(["tlkit", "facts"]).astype(str))
    if state not in (None, [facts["head"], facts["classes"], facts["rejection"]]):
        raise ValueError("it was exported from another run than the one that is saved above it")
    rejection, recipe = facts["rejection"], Recipe.of(facts["recipe"])
    if rejection is not None:
        rejection = Rejection(tensors=safetensors.numpy.load_file(folder / TENSORS), **rejection)
    joined = operations.concat([output.node.input_value(0) for output in model.outputs], 1).output(0)
    return Predictor(facts["classes"], recipe, rejection, OpenVINOEngine(standardise([joined], model, recipe), "f32"))


def hash_head(weight, bias):
    """Return the SHA-256 of a head's weights (n_classes, n_features) and biases, by which its run is known again."""
    return hashlib.sha256(weight.tobytes() + bias.tobytes()).hexdigest()


def _find_state(folder):
    """Return [hash of the head, classes, rejection] of the run that is saved in a folder; None if it can't be read."""
    try:
        described = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        with safetensors.safe_open(folder / described["weights"]["file"], "numpy") as tensors:
            head = hash_head(tensors.get_tensor("head.weight"), tensors.get_tensor("head.bias"))
        return [head, described["classes"], described.get("rejection")]
    except _FAULTS:
        return None


def predictor_of(run):
    """Return the `Predictor` of a `Run` itself, which torch computes."""
    network = FrozenNetwork.of(run.backbone)
    engine = open_engine("cuda" if has_gpu() else "torch", network, network.output(None, True), "exact")
    weight, bias = (value.detach().cpu().numpy() for value in (run.head.weight, run.head.bias))

    def compute(batches):
        return (np.hstack([features, features @ weight.T + bias]) for features in engine.run(batches))

    both = types.SimpleNamespace(batch_size=engine.batch_size, run=compute)
    return Predictor(run.classes, run.backbone.recipe, run.rejection, both)
