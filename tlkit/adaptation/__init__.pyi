from .adapt import adapt as adapt
from .alignment import align_coral as align_coral
from .alignment import align_mean as align_mean
from .distances import distance_coral as distance_coral
from .distances import distance_mmd as distance_mmd
from .distances import distance_proxy_a as distance_proxy_a
from .domain_inputs import split_pair as split_pair
from .gaps import explain_gap as explain_gap
from .gaps import measure_gaps as measure_gaps
from .methods import find as find
from .methods import get as get
from .methods import names as names
from .pair_comparison import compare_pairs as compare_pairs
from .pair_results import PairComparison as PairComparison
from .priors import correct_priors as correct_priors
from .priors import estimate_priors as estimate_priors
from .self_supervision import SimSiam as SimSiam
from .solved_objectives import Align as Align
from .solved_objectives import Reweigh as Reweigh
from .target_shots import compare_target_shots as compare_target_shots
from .test_time import adapt_run as adapt_run
from .validators import detect_collapse as detect_collapse
from .validators import regret as regret
from .validators import score_bnm as score_bnm
from .validators import score_circular as score_circular
from .validators import score_deep_embedded as score_deep_embedded
from .validators import score_entropy as score_entropy
from .validators import score_importance_weighted as score_importance_weighted
from .validators import score_information_maximisation as score_information_maximisation
from .validators import score_mixed as score_mixed
from .validators import score_neighbourhood_density as score_neighbourhood_density
from .validators import score_norm as score_norm
from .validators import score_source_accuracy as score_source_accuracy

__all__ = [
    "Align",
    "PairComparison",
    "Reweigh",
    "SimSiam",
    "adapt",
    "adapt_run",
    "align_coral",
    "align_mean",
    "compare_pairs",
    "compare_target_shots",
    "correct_priors",
    "detect_collapse",
    "distance_coral",
    "distance_mmd",
    "distance_proxy_a",
    "estimate_priors",
    "explain_gap",
    "find",
    "get",
    "measure_gaps",
    "names",
    "regret",
    "score_bnm",
    "score_circular",
    "score_deep_embedded",
    "score_entropy",
    "score_importance_weighted",
    "score_information_maximisation",
    "score_mixed",
    "score_neighbourhood_density",
    "score_norm",
    "score_source_accuracy",
    "split_pair",
]
