"""Inputs of comparisons across domains: checked domains, methods and features. Without torch."""

import dataclasses

import numpy as np

from tlkit.adaptation.pair_results import BASELINE, ORACLE
from tlkit.adaptation.solved_methods import METHODS
from tlkit.arguments import check_known
from tlkit.features.extract import extract_features
from tlkit.features.features import Features
from tlkit.strategies.strategy import Strategy


def read_domains(images, domains):
    """Return two or more domains of an ImageSet as a list, by default all; ValueError for an unknown one."""
    known = np.unique(images.domains).tolist()
    domains = known if domains is None else check_known("domains", domains, known)
    if len(domains) < 2:
        raise ValueError(f"domains: {domains}, expected two or more, a source and a target")
    return domains


def read_methods(methods, *, may_tune):
    """Return {name: objective or Strategy} from names or as given; "source_only" is always the first."""
    if not isinstance(methods, dict):
        methods = {name: _get(name) for name in ([*METHODS] if methods is None else methods)}
    for name, method in methods.items():
        if name == ORACLE or not (hasattr(method, "fit") or tunes(method)):
            raise TypeError(
                f"methods: {name!r} is {method!r}, expected an objective such as tl.adaptation.Align, or a Strategy"
            )
        if tunes(method) and not may_tune:
            raise TypeError(
                f"methods: {name!r} tunes a network, but there are features only: use one of {', '.join(METHODS)}, or "
                "compare pairs with a Backbone"
            )
    return {BASELINE: METHODS[BASELINE]} | methods


def _get(name):
    """Return a method by name; torch is loaded if it tunes a network."""
    if name in METHODS:
        return METHODS[name]
    from tlkit.adaptation import methods as methods_module

    check_known("methods", [name], [*METHODS, *methods_module.names()])
    return methods_module.get(name)


def tunes(method):
    """Return whether a method trains a network, rather than solve a head on features."""
    return isinstance(method, Strategy)


def read_features(backbone, images, progress):
    """Return the pooled Features of an ImageSet in float64, extracted unless they are given; ValueError for others."""
    features = backbone
    if not isinstance(features, Features):
        features = extract_features(backbone, images, progress=progress)
    if not np.array_equal(features.names, images.names) or features.values.ndim != 2:
        raise ValueError(
            f"backbone: Features of {len(features)} pictures, shape {features.values.shape}, expected pooled ones of "
            f"the {len(images)} images in their order: pass extract_features(backbone, images)"
        )
    return dataclasses.replace(features, values=features.values.astype(np.float64))


class SharedFeatures:
    """Features of an ImageSet for the cells of a comparison; each worker process reads them from disk once."""

    def __init__(self, backbone, images):
        self._inputs = backbone, images
        # Workers that are forked later share given features; extraction may use OpenVINO, and so has to wait.
        self._features = read_features(backbone, images, False) if isinstance(backbone, Features) else None

    def read(self, progress=False, in_fork=False):
        """Return the Features of all pictures."""
        if self._features is None:
            self._features = read_features(*self._inputs, progress)
        return self._features
