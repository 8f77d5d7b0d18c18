from .exercise import Check as Check
from .exercise import check as check

__all__ = [
    "Check",
    "check",
]
