from .claim import Claim as Claim
from .ledger import get as get
from .ledger import measurement as measurement
from .ledger import show as show
from .ledger import table as table

__all__ = [
    "Claim",
    "get",
    "measurement",
    "show",
    "table",
]
