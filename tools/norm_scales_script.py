"""Estimates the standard deviations that open_nsfw's file lacks: `python tools/norm_scales_script.py`.

The file merges the variances of its norm layers into their factors. The estimates come from the bundled photographs.
They change nothing while statistics are frozen, and make statistics that move begin near those of the training.
"""

from pathlib import Path

import numpy as np
import torch

import tlkit as tl
from tlkit.backbones.packed_networks import make_thin_resnet
from tlkit.backbones.weights.onnx_weights import SCALES, list_layers
from tlkit.storage import written_whole


def estimate_scales():
    """Return the standard deviations of the inputs of all norm layers, in the order of the file."""
    backbone = tl.load_backbone("open_nsfw")
    network = make_thin_resnet().eval()
    network.load_state_dict(dict(zip(network.state_dict(), backbone.state_dict().values(), strict=True)))
    photos = tl.load_images("styles", domain="photo")[::4]
    scales = {}
    for _, path in list_layers():

        def note(layer, inputs, output, path=path):
            scales[path] = inputs[0].std((0, 2, 3)).numpy()

        network.get_submodule(path).register_forward_hook(note)
    with torch.no_grad():
        network(torch.from_numpy(np.stack([backbone.preprocess(photo) for photo, _ in photos])))
    return np.concatenate([scales[path] for _, path in list_layers()]).astype(np.float16)


if __name__ == "__main__":
    with written_whole(Path(str(SCALES))) as temporary, open(temporary, "wb") as file:
        np.save(file, estimate_scales())
