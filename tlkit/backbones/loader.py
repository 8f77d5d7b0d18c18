"""`load_backbone`: a network by name, with pretrained, random or one's own weights."""

import torch

from tlkit.backbones.auxiliary import check_auxiliary, take_branches
from tlkit.backbones.backbone import Backbone
from tlkit.backbones.networks import find_entry, list_entries
from tlkit.backbones.stages import build_network
from tlkit.backbones.weights.fit import fit_to_network
from tlkit.backbones.weights.read import read_weights
from tlkit.backbones.weights.weight_files import find_weights

LARGEST_SIZE_PX = 1024


def load_backbone(
    name="efficientnet_lite0", weights="pretrained", image_size_px=None, *, seed=0, allow=(), auxiliary=False
):
    """Load a network without its classifier, in evaluation mode, with nothing frozen.

    Arguments
    ---------
    name: str
        One of `tlkit.backbones.networks.CATALOGUE`, or "timm:" and the name of one of timm's networks.
    weights: "pretrained", the tag of one of its sets of weights, None, or the path of a .safetensors or .pth file of it
        "pretrained" is the publisher's default set; None gives random weights, the same for the same `seed`.
    image_size_px: int, optional
        Height and width of what the network sees; by default what its weights were trained with. ViT and MaxViT take
        the sizes of their sets of weights and no other.
    seed: int
        Of what is random: everything where `weights` is None, else what `allow` lets stay so.
    allow: sequence of str
        Patterns of names of tensors, as in "blocks.*", that may be missing from the file or of another shape, of whole
        numbers or not finite, and then stay random, or that the network doesn't have. Said in `provenance`.
    auxiliary: bool
        Keep the auxiliary classifiers of GoogLeNet or Inception-v3, up to their last layer, in `backbone.auxiliary`.
        They give no features; `transfer` trains them along in phases that train "all", and drops them. torchvision says
        that in its weights those of GoogLeNet aren't trained.

    Returns a `Backbone`.

    Raises ValueError for an unknown name or a size that the network can't take, and `WeightsError` where weights are
    not at hand or not those of this network.

    >>> backbone = load_backbone("efficientnet_lite0", weights=None, image_size_px=64)
    >>> backbone.n_features, backbone.stages[:2]
    (1280, ('stem', 'stage1'))
    """
    entry = _choose_entry(name, weights, image_size_px)
    recipe = entry.recipe if image_size_px is None else entry.recipe.at(image_size_px)
    if auxiliary:
        check_auxiliary(name, recipe.crop_size_px)
    # The weights are looked for before the network is built: what is not there is said at once.
    path = None if weights is None else find_weights(entry, weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, stages, tail, left_out = build_network(name, entry)
    if path is None:
        provenance = {"source": f"random weights, seed {seed}", "file": None, "sha256": None, "licence": "none needed"}
    else:
        published = weights in ("pretrained", entry.weights)
        tensors, sha256 = read_weights(path, entry if published else None)
        state, changes, allowed = fit_to_network(tensors, network, left_out, path, allow, published=published)
        network.load_state_dict(state)
        provenance = {
            "source": entry.source if published else "a file of the user's",
            "file": str(path),
            "sha256": sha256,
            "licence": entry.licence if published else "unknown",
            "changes": changes,
            "allowed": allowed,
        }
    try:
        backbone = Backbone(name, stages, tail, recipe, provenance).eval()
    except (RuntimeError, AssertionError, ValueError) as error:  # timm doesn't say beforehand which sizes are possible
        raise ValueError(
            f"image_size_px: {recipe.crop_size_px}, which {name} can't take ({error}); its weights were trained with "
            f"{entry.recipe.crop_size_px}"
        ) from error
    if auxiliary:
        backbone.auxiliary = take_branches(name, network)
    return backbone


def _choose_entry(name, weights, image_size_px):
    # Where weights aren't published ones, the size says which of a network's sets of a fixed size is meant.
    entry = find_entry(name)
    entries = [entry]
    if weights != "pretrained":
        entries += list_entries(name)
        entries = [tagged for tagged in entries if tagged.weights == weights][:1] or entries
    if image_size_px is None:
        return entries[0]
    if isinstance(image_size_px, bool) or not isinstance(image_size_px, int):
        raise TypeError(f"image_size_px: {image_size_px!r}, expected a whole number of pixels")
    if entry.fixed_size:
        return _choose_by_size(entries, image_size_px)
    if not entry.smallest_size_px <= image_size_px <= LARGEST_SIZE_PX:
        raise ValueError(
            f"image_size_px: {image_size_px}, expected {entry.smallest_size_px} to {LARGEST_SIZE_PX}: of a smaller "
            f"picture the layers of {name}, which halve it again and again, leave nothing"
        )
    return entries[0]


def _choose_by_size(entries, image_size_px):
    fitting = [entry for entry in entries if entry.recipe.crop_size_px == image_size_px]
    if fitting:
        return fitting[0]
    sizes = sorted({entry.recipe.crop_size_px for entry in entries})
    others = {
        f"{entry.weights!r} ({entry.recipe.crop_size_px} px)"
        for entry in list_entries(entries[0].name)
        if entry.recipe.crop_size_px not in sizes
    }
    more = f"; other sizes come with the weights {', '.join(sorted(others))}" if others else ""
    raise ValueError(
        f"image_size_px: {image_size_px}, expected {' or '.join(map(str, sizes))}: {entries[0].name} takes only "
        f"pictures of the size that it was built for{more}"
    )
