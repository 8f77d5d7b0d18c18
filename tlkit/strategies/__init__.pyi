from .ablation import augmented as augmented
from .catalogue import Catalogue as Catalogue
from .catalogue import find as find
from .catalogue import get as get
from .catalogue import names as names
from .penalties import l2_sp as l2_sp
from .phase_schedules import decay_learning_rates as decay_learning_rates

__all__ = [
    "Catalogue",
    "augmented",
    "decay_learning_rates",
    "find",
    "get",
    "l2_sp",
    "names",
]
