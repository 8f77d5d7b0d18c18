"""`load_backbone`: a network by name, with pretrained, random or one's own weights."""

import torch

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.catalogue import find_entry
from tlkit.backbones.stages import build_network
from tlkit.backbones.weights import fit_to_network, read_weights
from tlkit.backbones.weights_files import find_weights

SMALLEST_SIZE_PX, LARGEST_SIZE_PX = 32, 1024


def load_backbone(name="efficientnet_lite0", weights="pretrained", image_size_px=None, *, seed=0):
    """Load a network without its classifier, in evaluation mode, with nothing frozen.

    Arguments
    ---------
    name: str
        One of `tlkit.backbones.catalogue.CATALOGUE`.
    weights: "pretrained", None, or the path of a .safetensors or .pth file of this network
        None gives random weights, the same for the same `seed`.
    image_size_px: int, optional
        Height and width of what the network sees; by default what its weights were trained with.
    seed: int
        Only used where `weights` is None.

    Returns a `Backbone`.

    Raises ValueError for an unknown name or a size that the network can't take, and `WeightsError` where weights are
    not at hand or not those of this network.

    >>> backbone = load_backbone("efficientnet_lite0", weights=None, image_size_px=64)
    >>> backbone.n_features, backbone.stages[:2]
    (1280, ('stem', 'stage1'))
    """
    entry = find_entry(name)
    recipe = entry.recipe if image_size_px is None else entry.recipe.at(_check_size(image_size_px))
    # The weights are looked for before the network is built: what is not there is said at once.
    path = None if weights is None else find_weights(entry, weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, stages, tail, left_out = build_network(name)
    if path is None:
        provenance = {"source": f"random weights, seed {seed}", "file": None, "sha256": None, "licence": "none needed"}
    else:
        tensors, sha256 = read_weights(path, entry if weights == "pretrained" else None)
        network.load_state_dict(fit_to_network(tensors, network, left_out, path))
        published = weights == "pretrained"
        provenance = {
            "source": entry.source if published else "a file of the user's",
            "file": str(path),
            "sha256": sha256,
            "licence": entry.licence if published else "unknown",
        }
    return Backbone(name, stages, tail, recipe, provenance).eval()


def _check_size(image_size_px):
    if isinstance(image_size_px, bool) or not isinstance(image_size_px, int):
        raise TypeError(f"image_size_px: {image_size_px!r}, expected a whole number of pixels")
    if not SMALLEST_SIZE_PX <= image_size_px <= LARGEST_SIZE_PX:
        raise ValueError(
            f"image_size_px: {image_size_px}, expected {SMALLEST_SIZE_PX} to {LARGEST_SIZE_PX}: these networks halve "
            f"the picture five times, so less than {SMALLEST_SIZE_PX} leaves nothing"
        )
    return image_size_px
