from .freezing.measurement import measure_freezing as measure_freezing
from .network_table import table as table

__all__ = [
    "measure_freezing",
    "table",
]
