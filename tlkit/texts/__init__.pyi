from .sources import load_texts as load_texts
from .textset import TextSet as TextSet

__all__ = [
    "TextSet",
    "load_texts",
]
