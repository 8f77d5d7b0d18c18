"""`load_backbone`: a network by name, with pretrained weights, random weights, or weights from a file."""

import enum
import functools
import importlib
import os
from collections.abc import Sequence

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.networks import find_entry, is_text, list_entries, read_weights_tag
from tlkit.backbones.recipe import Recipe, read_size
from tlkit.backbones.stages import build_network
from tlkit.backbones.weights.fit import fit_to_network
from tlkit.backbones.weights.hashes import describe_check, record_published
from tlkit.backbones.weights.read import find_licence, read_weights
from tlkit.backbones.weights.weight_files import find_weights
from tlkit.cpu.draws import Draws
from tlkit.cpu.threads import default_states

LARGEST_SIZE_PX = 1024


@default_states()
def load_backbone(
    name: str = "efficientnet_lite0",
    weights: str | os.PathLike | enum.Enum | None = "pretrained",
    image_size_px: int | None = None,
    *,
    seed: int = 0,
    allow: Sequence[str] = (),
    n_channels: int = 3,
    n_tokens: int | None = None,
    recipe: Recipe | None = None,
    cut: str | None = None,
) -> Backbone:
    """Load a network without its classifier, in evaluation mode, with nothing frozen.

    Parameters
    ----------
    name : str
        Name of a network in `tl.backbones.table()`, or "timm:" and the name of a network of timm; or the path of an
        ONNX file, which stays frozen if it can't be converted to torch. "minilm" and "use_multilingual" encode texts in
        English and in 16 languages; "hf:" and a name or folder stand for any of Hugging Face's in safetensors.
    weights : str, path-like, enum or None
        "pretrained" for the default set; the tag or enum of another; the path of a file; None for random ones.
    image_size_px : int, optional
        Height and width of the network's input, in pixels; by default the size that its weights were trained with.
    seed : int
        Seed of all weights if `weights` is None, else of the tensors that `allow` leaves random.
    allow : sequence of str
        Patterns of names of tensors, as in "blocks.*", that may stay random or be ignored; see `provenance`.
    n_channels : int
        Channels of the pictures. For others than 3, the first convolution's weights are adapted as in timm if need be.
    n_tokens : int, optional
        Length at which a text encoder cuts texts, in tokens, by default 128 or as many as it has positions.
    recipe : Recipe, optional
        Other preprocessing than that of the weights, with its own size and channels; see `tl.backbones.make_recipe`.
    cut : str, optional
        Name of the tensor in an ONNX file that is taken as features, by default its first output.

    Returns
    -------
    Backbone
        The network, its preprocessing and its named stages.

    Raises
    ------
    ValueError
        If the name is unknown, the network can't take this size or number of channels, or the file has no such tensor.
    WeightsError
        If the weights are not available or belong to another network.

    Examples
    --------
    >>> backbone = load_backbone("efficientnet_lite0", weights=None, image_size_px=64)
    >>> backbone.n_features, backbone.stages[:2]
    (1280, ('stem', 'stage1'))
    """
    if is_text(name):
        others = {"image_size_px": image_size_px, "allow": allow, "recipe": recipe, "cut": cut}
        load_text = importlib.import_module("tlkit.backbones.text_networks").load_text
        return load_text(name, weights, n_tokens, seed, others | {"n_channels": n_channels - 3})
    if n_tokens is not None:
        raise ValueError(f"n_tokens: {n_tokens}, but {name!r} takes pictures: leave it out, or take image_size_px")
    image_size_px = read_size(image_size_px)
    if recipe is not None:
        image_size_px, n_channels = recipe.crop_size_px, recipe.n_channels
    if str(name).endswith(".onnx"):
        return importlib.import_module("tlkit.backbones.onnx_network").load_onnx(name, cut, recipe)
    if cut is not None:
        raise ValueError(f"cut: {cut!r}, but {name!r} is no ONNX file: leave cut out; `until` cuts behind a stage")
    find_entry(name)  # reports a wrong name before wrong weights
    weights = read_weights_tag(name, weights)
    entry = _choose_entry(name, weights, image_size_px)
    recipe = recipe or (entry.recipe if image_size_px is None else entry.recipe.at(image_size_px))
    adapter = importlib.import_module("tlkit.backbones.input_channels")
    # Missing weights are reported before the network is built.
    path = None if weights is None else find_weights(entry, weights)
    with Draws(seed):
        network, stages, tail, classifier = build_network(name, entry)
    if path is None:
        provenance = {"source": f"random weights, seed {seed}", "file": None, "sha256": None, "licence": "none needed"}
    else:
        published = weights in ("pretrained", entry.weights)
        tensors, sha256 = read_weights(path, entry if published else None)
        fit = functools.partial(fit_to_network, tensors, network, classifier, path, allow, published=published)
        state, changes, allowed = fit() if n_channels == 3 else adapter.fit_either(fit, name, stages, n_channels)
        network.load_state_dict(state)
        if published:
            record_published(entry, sha256)
        provenance = {
            "source": entry.source if published else "a file of the user's",
            "file": str(path),
            "sha256": sha256,
            "check": describe_check(entry) if published else "none: a file of the user's",
            "licence": entry.licence if published else find_licence(path),
            "changes": changes,
            "allowed": allowed,
        }
    if n_channels != 3:
        adapter.adapt_first_layer(name, stages, n_channels)
        recipe = recipe if recipe.n_channels == n_channels else adapter.adapt_recipe(recipe, n_channels)
        provenance["n_channels"] = n_channels
    try:
        backbone = Backbone(name, stages, tail, recipe, provenance).eval()
    except (RuntimeError, AssertionError, ValueError) as error:  # timm doesn't list the sizes that are possible
        found = f"which {name} can't take ({error}); its weights were trained with {entry.recipe.crop_size_px}"
        raise ValueError(f"image_size_px: {recipe.crop_size_px}, {found}") from error
    return backbone


def _choose_entry(name, weights, image_size_px):
    """Return the `Entry` of these weights; for weights that aren't published, the size decides between fixed sizes."""
    entry = find_entry(name)
    entries = [entry]
    if weights != "pretrained":
        entries += list_entries(name)
        entries = [tagged for tagged in entries if tagged.weights == weights][:1] or entries
    if image_size_px is None:
        return entries[0]
    if entry.fixed_size:
        return _choose_by_size(entries, image_size_px)
    if not entry.smallest_size_px <= image_size_px <= LARGEST_SIZE_PX:
        sizes = f"{entry.smallest_size_px} to {LARGEST_SIZE_PX}"
        raise ValueError(f"image_size_px: {image_size_px}, expected {sizes}: {name} halves pictures again and again")
    return entries[0]


def _choose_by_size(entries, image_size_px):
    """Return the first entry of this input size, or raise ValueError with the sizes that exist."""
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
    expected = f"{' or '.join(map(str, sizes))}: {entries[0].name} takes only pictures of the size it was built for"
    raise ValueError(f"image_size_px: {image_size_px}, expected {expected}{more}")
