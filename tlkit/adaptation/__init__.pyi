from .adapt import adapt as adapt
from .alignment import align_coral as align_coral
from .alignment import align_mean as align_mean
from .distances import distance_mmd as distance_mmd
from .domain_inputs import split_pair as split_pair
from .gaps import explain_gap as explain_gap
from .gaps import measure_gaps as measure_gaps
from .methods import find as find
from .methods import get as get
from .methods import names as names
from .pair_comparison import compare_pairs as compare_pairs
from .pair_results import PairComparison as PairComparison
from .solved_objectives import Align as Align
from .solved_objectives import Reweigh as Reweigh
from .target_shots import compare_target_shots as compare_target_shots
from .test_time import adapt_run as adapt_run
from .validators import detect_collapse as detect_collapse
from .validators import regret as regret

__all__ = [
    "Align",
    "PairComparison",
    "Reweigh",
    "adapt",
    "adapt_run",
    "align_coral",
    "align_mean",
    "compare_pairs",
    "compare_target_shots",
    "detect_collapse",
    "distance_mmd",
    "explain_gap",
    "find",
    "get",
    "measure_gaps",
    "names",
    "regret",
    "split_pair",
]
