"""Another domain: how far it is, what brings it nearer without labels, and what that was worth."""

import importlib

# Imported when first used: what changes a network loads torch, what works on features doesn't.
_HOMES = {
    "Align": "solving",
    "Gap": "permutations",
    "PairComparison": "pair_results",
    "Reweigh": "solving",
    "adapt": "adapting",
    "adapt_run": "test_time",
    "alarm_collapse": "collapse",
    "align_coral": "alignment",
    "align_mean": "alignment",
    "align_scale": "alignment",
    "align_subspace": "alignment",
    "align_transport": "alignment",
    "compare_pairs": "pair_comparison",
    "compare_target_shots": "target_shots",
    "correct_priors": "priors",
    "distance_coral": "distances",
    "distance_mmd": "distances",
    "distance_priors": "distances",
    "distance_proxy_a": "distances",
    "estimate_priors": "priors",
    "explain_gap": "gaps",
    "find": "catalogue",
    "get": "catalogue",
    "measure_gaps": "gaps",
    "names": "catalogue",
    "permute_gap": "permutations",
    "regret": "validators",
    "score_bnm": "validators",
    "score_circular": "asking_again",
    "score_deep_embedded": "validators",
    "score_entropy": "validators",
    "score_importance_weighted": "validators",
    "score_information_maximisation": "validators",
    "score_mixed": "asking_again",
    "score_neighbourhood_density": "validators",
    "score_norm": "validators",
    "score_source_accuracy": "validators",
    "split_pair": "pairs",
    "weigh_source": "weighting",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"tlkit.adaptation has no {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"tlkit.adaptation.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
