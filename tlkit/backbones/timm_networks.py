"""The networks of timm under the names `timm:<name>`: what is known of them, and building them."""

import dataclasses
import fnmatch
import functools
import math
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from tlkit.arguments import suggest
from tlkit.backbones.entry import TIMM, Entry
from tlkit.backbones.recipe import Recipe
from tlkit.backbones.timm_pretraining import read_tag

# Computing what a network costs takes about half a second, so a longer list comes without.
MOST_WITH_COSTS = 30
# Nearly all networks halve a picture five times. Those that need a larger one say so when they are tried.
_SMALLEST_SIDE_PX, _CHECKED_SIDE_PX = 32, 64


def find_timm_entry(name, weights="pretrained"):
    """Return the catalogue's entry of one of timm's networks.

    Arguments
    ---------
    name: str
        "timm:resnet18", or with the tag of the weights, "timm:resnet18.tv_in1k".
    weights: "pretrained" or a tag
        "pretrained" is the tag of the name where it has one, else timm's default.

    Returns an `Entry` without costs (`compute_costs` adds them), accuracy and year, which timm doesn't state. Its name
    is that of the network, without tag. Where timm has no weights its tag is "none" and only `weights=None` will load.

    Raises ValueError for what timm doesn't have, and for weights whose preprocessing `Recipe` doesn't cover.

    >>> entry = find_timm_entry("timm:resnet18.tv_in1k")
    >>> entry.name, entry.weights, entry.recipe.resize_size_px, entry.licence
    ('timm:resnet18', 'tv_in1k', 256, 'bsd-3-clause')
    """
    architecture, tag = _split(name)
    tags = _tags()[architecture]
    if weights != "pretrained":
        if weights not in tags:
            raise ValueError(f"weights: {weights!r} is no set of weights of {name}; {suggest(weights, tags)}")
        if tag and tag != weights:
            raise ValueError(f"weights: {weights!r}, but name is {name!r}: give the tag in one of them")
        tag = weights
    return _make_entry(architecture, tag or (tags[0] if tags else ""))


def list_timm_entries(pattern):
    """Return the entries of timm's networks whose name matches a pattern, with every set of weights, as a list.

    Arguments
    ---------
    pattern: str
        Such as "timm:convnext*", or with tags, "timm:convnext*.fb_in22k".

    Weights whose preprocessing `Recipe` doesn't cover are left out, as are networks without weights. Up to 30 networks
    come with their costs, a longer list without.
    """
    pattern = pattern.removeprefix(TIMM)
    named = [(architecture, tag) for architecture, tags in _tags().items() for tag in tags]
    chosen = [
        (architecture, tag)
        for architecture, tag in named
        if fnmatch.fnmatchcase(architecture, pattern) or fnmatch.fnmatchcase(f"{architecture}.{tag}", pattern)
    ]
    entries = [_make_entry(*names) for names in chosen if _refusal(_configuration(*names)) is None]
    if len({entry.name for entry in entries}) <= MOST_WITH_COSTS:
        return [compute_costs(entry) for entry in entries]
    return entries


def compute_costs(entry):
    """Return a copy of one of timm's entries with n_parameters, n_flops and n_features.

    They are computed on a network without memory (torch's meta device). Where timm can't build one they stay None.
    """
    costs = _costs(entry.name.removeprefix(TIMM), entry.recipe.crop_size_px)
    return dataclasses.replace(entry, **dict(zip(("n_parameters", "n_flops", "n_features"), costs, strict=True)))


def build_timm(name):
    """Build one of timm's networks with random weights from torch's global random state.

    Arguments
    ---------
    name: str
        As of `find_timm_entry`.

    Returns (network, stages, tail, left_out) as `tlkit.backbones.stages.build_network` does. A network that can't be
    cut into stages whose composition is verified has one stage, "network".
    """
    import timm

    from tlkit.backbones.timm_stages import cut_network

    architecture, tag = _split(name)
    network = timm.create_model(f"{architecture}.{tag}" if tag else architecture, pretrained=False)
    configuration = network.pretrained_cfg
    left_out = _classifier(network)
    side = configuration["input_size"][1]
    sides = (side,) if configuration["fixed_input_size"] else (_CHECKED_SIDE_PX, side)
    try:
        stages, tail = cut_network(network, left_out, sides)
    except ValueError as error:
        raise ValueError(f"name: {name!r} can't be used as a backbone: {error}; choose another network") from error
    return network, stages, tail, left_out


def _split(name):
    import timm

    architecture, _, tag = name.removeprefix(TIMM).partition(".")
    tags = _tags()
    if architecture not in tags:
        raise ValueError(f"name: {name!r} is not a network of timm {timm.__version__}; {suggest(architecture, tags)}")
    if tag and tag not in tags[architecture]:
        raise ValueError(f"name: {name!r} has no such weights in timm; {suggest(tag, tags[architecture])}")
    return architecture, tag


@functools.cache
def _tags():
    # Architecture -> the tags of its weights, timm's default first.
    import timm

    tags = {architecture: [] for architecture in timm.list_models()}
    for named in timm.list_pretrained():
        architecture, _, tag = named.partition(".")
        tags[architecture].append(tag)
    for architecture, listed in tags.items():
        default = timm.get_pretrained_cfg(architecture)
        listed.sort(key=lambda tag, first=default.tag if default else None: tag != first)
    return tags


def _configuration(architecture, tag):
    import timm

    return timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)


def _refusal(configuration):
    # Says why a configuration's preprocessing is none that `Recipe` can do; None where it can.
    n_channels, height, width = configuration.input_size
    if n_channels != 3 or height != width:
        return f"pictures of {height} × {width} px with {n_channels} channels, and tlkit's are square and of 3 colours"
    if configuration.crop_mode not in ("center", "squash"):
        return f"the crop mode {configuration.crop_mode!r}, and tlkit knows 'center' and 'squash'"
    return None


def _make_entry(architecture, tag):
    import timm

    configuration = _configuration(architecture, tag)
    if (refusal := _refusal(configuration)) is not None:
        raise ValueError(f"name: the weights {tag!r} of 'timm:{architecture}' want {refusal}; choose other weights")
    pretrained_on, kind = read_tag(architecture, tag) if tag else ("nothing", "general")
    file, url = _find_file(configuration) if tag else ("", None)
    return Entry(
        name=f"{TIMM}{architecture}",
        weights=tag or "none",
        family=timm.models.model_entrypoint(architecture).__module__.rpartition(".")[2],
        year=None,
        recipe=_read_recipe(configuration),
        weights_file=file,
        weights_size_mb=None,
        weights_url=url,
        weights_package=None,
        licence=configuration.license or "unknown",
        source=f"timm, {pretrained_on}",
        pretrained_on=pretrained_on,
        kind=kind,
        accuracy=None,
        accuracy_source=None,
        n_parameters=None,
        n_flops=None,
        n_features=None,
        smallest_size_px=configuration.input_size[1] if configuration.fixed_input_size else _SMALLEST_SIDE_PX,
        fixed_size=bool(configuration.fixed_input_size),
        paper=configuration.paper_name or configuration.paper_ids,
    )


def _read_recipe(configuration):
    # As `timm.data.create_transform` does it: the shorter side is rounded down, and the size is that of training,
    # also where timm has measured a larger one for tests.
    side = configuration.input_size[1]
    return Recipe(
        resize_size_px=math.floor(side / configuration.crop_pct),
        crop_size_px=side,
        interpolation=configuration.interpolation,
        mean=tuple(configuration.mean),
        std=tuple(configuration.std),
        crop_mode=configuration.crop_mode,
    )


def _find_file(configuration):
    # The hub's files are preferred: safetensors, already converted where the original had timm convert it.
    if configuration.hf_hub_id:
        published = configuration.hf_hub_filename or "model.safetensors"
        suffix = PurePosixPath(published).suffix
        url = f"https://huggingface.co/{configuration.hf_hub_id}/resolve/main/{published}"
        return f"{configuration.hf_hub_id.rpartition('/')[2]}{suffix}", url
    return PurePosixPath(urlsplit(configuration.url).path).name, configuration.url


@functools.cache
def _costs(architecture, side):
    import timm
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    try:
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            network = timm.create_model(architecture, pretrained=False).eval().requires_grad_(False)
            features = network.forward_head(network.forward_features(torch.zeros(1, 3, side, side)), pre_logits=True)
    except (RuntimeError, NotImplementedError, ValueError):  # some need real numbers while they are built
        return None, None, None
    left_out = {id(value) for layer in _classifier(network) for value in network.get_submodule(layer).parameters()}
    n_parameters = sum(value.numel() for value in network.parameters() if id(value) not in left_out)
    return n_parameters, counter.get_total_flops(), features.shape[-1]


def _classifier(network):
    layers = network.pretrained_cfg["classifier"] or ()
    return (layers,) if isinstance(layers, str) else tuple(layers)
