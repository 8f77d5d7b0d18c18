from .freezing.measurement import measure_freezing as measure_freezing
from .network_table import table as table
from .own_network import make_recipe as make_recipe

__all__ = [
    "make_recipe",
    "measure_freezing",
    "table",
]
