"""What a working set-up can do, in a few seconds: if one of these fails, nothing else is worth running."""

import importlib

import numpy as np
import pytest

import tlkit as tl

NEEDED = ("anywidget", "ipywidgets", "jupyterlab", "matplotlib", "nbval", "openvino", "pandas", "PIL", "safetensors")
NEEDED += ("skimage", "sklearn", "timm", "torch", "torchvision", "tqdm", "typer")


@pytest.mark.parametrize("name", NEEDED)
def test_a_needed_package_can_be_imported(name):
    importlib.import_module(name)


def test_pictures_become_features_and_a_head():
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(3)
    features = tl.extract_features(tl.load_backbone(image_size_px=32), images, progress=False)
    assert features.values.shape == (6, 1280) and np.isfinite(features.values).all()
    assert tl.fit_head(features).score(features) == 1.0


def test_a_network_takes_a_training_step():
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(2)
    backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 1, 1e-2)]), batch_size=4, progress=False)
    assert run.n_steps == 1 and np.isfinite(run.history[0]["loss"])
