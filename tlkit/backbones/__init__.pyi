from .network_table import table as table

__all__ = [
    "table",
]
