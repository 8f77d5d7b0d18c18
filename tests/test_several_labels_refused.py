"""What takes pictures with several labels each, and what refuses them: every public entry point that takes a set."""

import importlib
import inspect
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import tlkit as tl
from tlkit import adaptation, evaluation, inspection, plots, selection, training, widgets
from tlkit.images import ImageSet

FOLDERS = (
    *("adaptation", "backbones", "evaluation", "features", "heads", "images", "inspection", "plots", "selection"),
    *("strategies", "texts", "training", "widgets"),
)
DANN = adaptation.get("dann")
MESSAGE = "several labels per picture, expected one class each"


@pytest.fixture(scope="module")
def made():
    """Return several labels and one class of the same pictures, a network, its features and a run of it."""
    images = tl.load_images("styles", domain=["photo", "sketch"]).select(classes=["bird", "bug"])
    images = images.with_classes(["bird", "bug"])[::3]
    columns = {name: getattr(images, name) for name in images._columns()} | {"classes": ["bird", "small"]}
    labels = np.stack([images.labels == 0, np.arange(len(images)) % 3 == 0], axis=1)
    several = ImageSet(**columns | {"labels": labels.astype(int)})
    backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    return SimpleNamespace(
        images=images,
        several=several,
        backbone=backbone,
        features=tl.extract_features(backbone, several, engine="torch", progress=False),
        run=tl.transfer(backbone, images, progress=False),
        domains=("photo", "sketch"),
    )


def axes():
    return Figure().subplots()


TAKES = {
    "evaluation.evaluate_probabilities": lambda m: evaluation.evaluate_probabilities(m.several.labels, m.several),
    "features.FeatureExtractor.transform": lambda m: (
        tl.FeatureExtractor(m.backbone).fit(m.several).transform(m.several)
    ),
    "features.extract_features": lambda m: tl.extract_features(m.backbone, m.several, progress=False),
    "heads.fit_head": lambda m: tl.fit_head(m.features),
    "images.ImageSet.disjoint_from": lambda m: m.images.disjoint_from(m.several),
    "inspection.compare_stages": lambda m: inspection.compare_stages(m.backbone, m.backbone, m.several[:6]),
    "inspection.find_near_duplicates": lambda m: inspection.find_near_duplicates(m.several),
    "inspection.grad_cam": lambda m: inspection.grad_cam(m.run, m.several[:2]),
    "inspection.integrated_gradients": lambda m: inspection.integrated_gradients(m.run, m.several[:2], n_steps=2),
    "inspection.show_inputs": lambda m: inspection.show_inputs(m.run, m.several[:2]),
    "inspection.study_heat_maps": lambda m: inspection.study_heat_maps(
        m.run,
        m.several[:2],
        {"map": lambda run, pictures, label: np.zeros((2, 32, 32))},
        depths=["stage4"],
        progress=False,
    ),
    "selection.Candidate.extract": lambda m: selection.Candidate(m.backbone).extract(m.several, progress=False),
    "selection.predict_source": lambda m: selection.predict_source(
        tl.load_backbone("efficientnet_lite0", image_size_px=32), m.several[:2], progress=False
    ),
    "texts.TextSet.disjoint_from": lambda m: tl.load_texts("emoji", domain="de").disjoint_from(m.several),
    "training.Run.classify": lambda m: m.run.classify(m.several),
    "training.Run.predict": lambda m: m.run.predict(m.several),
    "training.interpolate_runs": lambda m: training.interpolate_runs(m.run, m.run, 0.5, train=m.several),
    "tl.compare": lambda m: tl.compare(
        m.backbone, m.several, ["hand_made", "linear_probe"], shots=2, seeds=2, progress=False
    ),
}
REFUSES = {
    "adaptation.adapt": lambda m: adaptation.adapt(m.backbone, m.images, m.several),
    "adaptation.adapt_run": lambda m: adaptation.adapt_run(m.run, m.several, "adabn"),
    "adaptation.compare_pairs": lambda m: adaptation.compare_pairs(m.backbone, m.several, pairs=[m.domains]),
    "adaptation.compare_target_shots": lambda m: adaptation.compare_target_shots(m.features, m.several, *m.domains),
    "adaptation.explain_gap": lambda m: adaptation.explain_gap(m.features, m.several, *m.domains),
    "adaptation.measure_gaps": lambda m: adaptation.measure_gaps(m.features, m.several),
    "adaptation.split_pair": lambda m: adaptation.split_pair(m.several, *m.domains),
    "evaluation.fit_rejection": lambda m: evaluation.fit_rejection(m.features),
    "inspection.check_preprocessing": lambda m: inspection.check_preprocessing([], m.backbone, m.several),
    "inspection.find_label_errors": lambda m: inspection.find_label_errors(m.features),
    "inspection.find_leaks": lambda m: inspection.find_leaks(m.images, m.several),
    "inspection.measure_label_damage": lambda m: inspection.measure_label_damage(m.backbone, m.several, ["flip"]),
    "inspection.measure_leak": lambda m: inspection.measure_leak(m.backbone, m.images, m.several),
    "plots.draw_augmentations": lambda m: plots.draw_augmentations(m.backbone, m.several, ["flip"], axes()),
    "plots.draw_contact_sheet": lambda m: plots.draw_contact_sheet(m.several, axes()),
    "plots.render_contact_sheet": lambda m: plots.render_contact_sheet(m.several),
    "selection.rank": lambda m: selection.rank([m.backbone], m.several),
    "training.Run.evaluate": lambda m: m.run.evaluate(m.several),
    "training.Run.export": lambda m: m.run.export("nowhere", "openvino", pictures=m.several, progress=False),
    "training.Run.fit_rejection": lambda m: m.run.fit_rejection(m.several),
    "training.interpolation_curve": lambda m: training.interpolation_curve(m.run, m.run, m.several),
    "training.transfer": lambda m: tl.transfer(m.backbone, m.several, "fine_tune"),
    "training.transfer, target": lambda m: tl.transfer(m.backbone, m.images, DANN, target=m.several),
    "widgets.AdaptationExplorer.__init__": lambda m: widgets.AdaptationExplorer(m.features, m.several),
    "widgets.AugmentationExplorer.__init__": lambda m: widgets.AugmentationExplorer(m.backbone, m.several, None),
    "widgets.ComparisonExplorer.__init__": lambda m: widgets.ComparisonExplorer(None, m.several),
    "widgets.CutExplorer.__init__": lambda m: widgets.CutExplorer(
        {"all": m.features},
        pd.DataFrame({"cut": ["all"], "head": "knn"} | {name: [0.5] for name in NUMBERS}),
        m.several,
    ),
    "widgets.FreezeScoreExplorer.__init__": lambda m: widgets.FreezeScoreExplorer(m.backbone, m.several, m.images),
    "widgets.PictureCleaner.__init__": lambda m: widgets.PictureCleaner(m.run, m.several),
    "tl.Study.__init__": lambda m: tl.Study(m.backbone, m.several, store="nowhere.sqlite"),
    "tl.learning_curve": lambda m: tl.learning_curve(m.backbone, m.several, ["linear_probe"]),
    "tl.train": lambda m: tl.train(m.several, "nowhere"),
}
NUMBERS = ("accuracy", "accuracy_low", "accuracy_high")


def list_entries():
    """Return the public functions and methods with an argument that may be a set of pictures or their features."""
    found = {}
    for folder in FOLDERS:
        module = importlib.import_module(f"tlkit.{folder}")
        found |= {f"{folder}.{name}": getattr(module, name) for name in module.__all__}
    for name in tl.__all__:
        found.setdefault(f"tl.{name}", getattr(tl, name))
    own = {value: name for name, value in found.items() if callable(value) and not name.startswith("tl.")}
    functions = {}
    for name, value in found.items():
        if not callable(value) or (name.startswith("tl.") and value in own):
            continue
        if not inspect.isclass(value):
            functions[name] = value
        elif value.__module__.startswith("tlkit"):
            own_bases = [base for base in value.__mro__ if base.__module__.startswith("tlkit")]
            parts = {part: found for base in reversed(own_bases) for part, found in vars(base).items()}
            public = [part for part in parts if not part.startswith("_") and inspect.isfunction(parts[part])]
            functions |= {f"{name}.{part}": parts[part] for part in public} | {f"{name}.__init__": value.__init__}
    takes = []
    for name, function in functions.items():
        arguments = inspect.signature(function).parameters.values() if inspect.isfunction(function) else ()
        kinds = " ".join(str(argument.annotation) for argument in arguments)
        if any(kind in kinds for kind in ("ImageSet", "Features", "TextSet")):
            takes.append(name)
    return takes


def test_each_entry_point_that_takes_a_set_is_listed():
    listed = {name.split(",")[0] for name in (*TAKES, *REFUSES)}
    assert sorted(set(list_entries()) - listed) == []


@pytest.mark.parametrize("name", TAKES)
def test_it_takes_several_labels(name, made):
    assert TAKES[name](made) is not None


@pytest.mark.parametrize("name", REFUSES)
def test_it_refuses_several_labels_in_one_line(name, made):
    with pytest.raises(TypeError, match=MESSAGE) as caught:
        REFUSES[name](made)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["ridge", "knn", "prototype", "cosine", "mlp"])
def test_other_heads_are_refused(kind, made):
    with pytest.raises(ValueError, match="only fitted by 'logistic'"):
        tl.fit_head(made.features, kind)
