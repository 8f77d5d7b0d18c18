"""Predictions by a run's OpenVINO export, without torch: any number of pictures, in constant memory."""

import collections
import json
import types
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tlkit.backbones.recipe import Recipe
from tlkit.export.openvino_model import describe_input, hash_head
from tlkit.features.crops import count_processors, run_ahead
from tlkit.features.engines import has_gpu, open_engine, run_in_batches
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.features.openvino_engine import OpenVINOEngine, hash_model, import_openvino, standardise
from tlkit.heads.numerics import softmax
from tlkit.images.decode import decode_picture
from tlkit.images.inputs import gather_pictures, make_entry

FACTS = "export.json"
_N_AHEAD = 64  # pictures that are decoded ahead of the network


class Prediction(NamedTuple):
    """One picture: its name, and probabilities (n_classes,) with familiarity; or the error that its reading raised."""

    name: str
    probabilities: np.ndarray
    familiarity: float | None
    error: Exception | None


class Predictor:
    """Classes, recipe and rejection of a run, and an engine that computes features and scores side by side."""

    def __init__(self, classes, recipe, engine, rejection=None):
        self.classes, self.recipe, self.rejection = list(classes), recipe, rejection
        self._engine = engine

    def predict(self, pictures):
        """Return the probabilities (n, n_classes) float64 of pictures as `Run.predict` takes them, or an iterable."""
        return np.array([found.probabilities for found in self._predict_all(pictures)]).reshape(-1, len(self.classes))

    def stream(self, pictures):
        """Yield a `Prediction` for each picture of an iterable, in order; that of an unreadable one has an error."""
        waiting, n_classes = collections.deque(), len(self.classes)

        def read_ahead():
            for name, crop, error in run_ahead(self._read, enumerate(pictures), count_processors(), _N_AHEAD):
                waiting.append((name, error))
                yield crop

        for values in run_in_batches(self._engine, read_ahead()):
            features, scores = np.split(values, [-n_classes], axis=1)
            familiarity = self.rejection.familiarity(features, scores) if self.rejection else [None] * len(values)
            for row, familiar in zip(softmax(scores.astype(np.float64)), familiarity, strict=True):
                name, error = waiting.popleft()
                yield Prediction(name, row, familiar, error)

    def find_threshold(self, share):
        """Return the familiarity below which a picture is rejected, if a share of known ones may be."""
        if self.rejection is None:
            raise ValueError(
                "reject: the run can't reject pictures: call run.fit_rejection, then save or export it again"
            )
        return self.rejection.threshold(share)

    def _predict_all(self, pictures):
        """Return the list of predictions; the first unreadable picture raises its error."""
        is_stream = isinstance(pictures, collections.abc.Iterator)
        found = []
        for prediction in self.stream(pictures if is_stream else gather_pictures(pictures).pictures):
            if prediction.error:
                raise prediction.error
            found.append(prediction)
        return found

    def _read(self, numbered):
        """Return (name, crop, error) of (index, picture); an unreadable one has a blank crop, to keep its place."""
        index, item = numbered
        name, crop, error = str(item), np.zeros((self.recipe.crop_size_px, self.recipe.crop_size_px, 3), np.uint8), None
        try:
            file = item if hasattr(item, "location") else make_entry("pictures", index, item)[2]
            name = file.location
            picture = decode_picture(file.read_bytes(), name)
            crop = np.array(self.recipe.crop(self.recipe.resize(picture)))
        except (TypeError, MemoryError):  # of the caller or the machine
            raise
        except Exception as failure:  # any other error concerns this picture alone
            error = failure
        return name, crop, error


def predictor_of(run):
    """Return the `Predictor` of a `Run` itself, computed by torch."""
    network = FrozenNetwork.of(run.backbone)
    engine = open_engine("cuda" if has_gpu() else "torch", network, network.output(None, True), "exact")
    weight, bias = (value.detach().cpu().numpy() for value in (run.head.weight, run.head.bias))

    def compute(batches):
        for features in engine.run(batches):
            yield np.concatenate([features, features @ weight.T + bias], axis=1)

    joined = types.SimpleNamespace(batch_size=engine.batch_size, run=compute)
    return Predictor(run.classes, run.backbone.recipe, joined)


def load_predictor(folder: str | Path) -> Predictor:
    """Load the OpenVINO export of a run for prediction without torch.

    Parameters
    ----------
    folder : str or Path
        Folder of a run that was exported with `kind="openvino"`, or the folder of the export.

    Returns
    -------
    Predictor
        With these members:

        - classes (list of str): as in the run.
        - predict(pictures): probabilities (n, n_classes), within 1e-4 of those of `Run.predict`. It also takes an
          iterator.
        - classify(pictures, reject=None): a DataFrame, as `Run.classify` returns it.
        - stream(pictures): yields a prediction per picture, with name, probabilities, familiarity and error. Takes any
          iterable of pictures, and memory for a few of them.

    Raises
    ------
    FileNotFoundError
        If there is no export.
    ValueError
        If a file is missing or damaged, or the export is not that of the run in the folder.

    Examples
    --------
    >>> import tempfile
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 1, 1e-2)]), progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run.export(folder, kind="openvino", pictures=images)
    ...     predictor = tl.export.load_predictor(folder)
    >>> np.allclose(predictor.predict(images), run.predict(images), atol=1e-4)
    True
    """
    place = Path(folder)
    if not (place / FACTS).is_file():
        place = place / "export" / "openvino"
    if not (place / FACTS).is_file():
        raise FileNotFoundError(
            f"folder: {Path(folder).absolute()} has no OpenVINO export: make one with "
            'run.export(folder, kind="openvino"), or load the run with load_run'
        )
    try:
        facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
        predictor = open_predictor(place, facts)
    except (KeyError, TypeError, AttributeError, ValueError, OSError, RuntimeError) as error:
        reason = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"folder: {place.absolute()} is damaged, {reason}: export the run again") from error
    if not _belongs_to_run(place.absolute(), facts):
        raise ValueError(
            f"folder: {place.absolute()} is the export of another run than the one in the folder above it: "
            "export the run again, or remove this folder"
        )
    return predictor


def open_predictor(folder, facts):
    """Return the `Predictor` of the files of an export in a folder, by the facts for its export.json."""
    from openvino import opset15 as operations

    path = folder / Path(facts["model"]).name
    if hash_model(path) != facts["sha256"]:
        raise ValueError(f"the bytes of {path.name} and its .bin are not those that were exported")
    recipe = Recipe(**{name: tuple(v) if isinstance(v, list) else v for name, v in facts["recipe"].items()})
    model = import_openvino().Core().read_model(path)
    if describe_input(facts["classes"], recipe) != model.get_rt_info(["tlkit", "input"]).astype(str):
        raise ValueError(f"{FACTS} has other classes or another recipe than {path.name}")
    joined = operations.concat([output.node.input_value(0) for output in model.outputs], 1).output(0)
    return Predictor(facts["classes"], recipe, OpenVINOEngine(standardise([joined], model, recipe), "f32"))


def _belongs_to_run(place, facts):
    """Return whether an export in the folder of a run has the head of that run; True if there is no run to compare."""
    from safetensors import SafetensorError, safe_open

    folder = place.parents[1]
    try:
        described = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        with safe_open(folder / described["weights"]["file"], "numpy") as tensors:
            head = [tensors.get_tensor(f"head.{name}") for name in ("weight", "bias")]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError):
        return True
    return described.get("classes") == facts["classes"] and hash_head(*head) == facts["head"]
