"""Exercises of the lessons: `check` compares an answer with the right one and gives a hint if they differ.

The right answer is computed from the reader's own data each time. Each lesson has a module of its own, which is
imported when one of its exercises is checked.
"""

from tlkit.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
