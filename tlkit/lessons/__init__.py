"""Exercises of the lessons: `check` says whether an answer is right and, kindly, what is missing.

What is right is computed from the reader's own data each time; no answer is written down here. One module a lesson.
"""

from tlkit.lessons import (
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
)
from tlkit.lessons.exercise import Check, check

__all__ = [
    "Check",
    "check",
    "lesson_01",
    "lesson_02",
    "lesson_03",
    "lesson_04",
    "lesson_05",
    "lesson_06",
    "lesson_07",
    "lesson_08",
    "lesson_09",
    "lesson_10",
]
