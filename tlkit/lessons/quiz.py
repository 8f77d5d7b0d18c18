"""Multiple-choice questions of the lessons, whose wrong answers are misconceptions; their export. Without torch."""

import dataclasses
import functools
import hashlib
import re
import tomllib
from pathlib import Path

from tlkit.arguments import check_known

LETTERS = "ABCD"
_FILE = Path(__file__).with_name("data") / "quizzes.toml"


@dataclasses.dataclass(frozen=True)
class Question:
    """A question with its options in the order in which they are shown, and what to say to each."""

    text: str
    options: tuple  # of str, one per letter
    replies: tuple  # of str: why an option is right or wrong
    right: int  # index of the right option


@functools.cache
def read_quiz(name):
    """Return the questions of a lesson, such as "05", or of "inventory" (tuple of `Question`)."""
    quizzes = tomllib.loads(_FILE.read_text("utf-8"))
    check_known("name", name, quizzes)
    return tuple(map(_arrange, quizzes[name]))


def _arrange(entry):
    """Return an entry of the file as a `Question`, its options mixed in an order that is always the same."""
    answers = [(entry["right"], entry["because"]), *map(tuple, entry["wrong"])]
    answers.sort(key=lambda answer: hashlib.sha256((entry["question"] + answer[0]).encode()).digest())
    options, replies = zip(*answers, strict=True)
    return Question(entry["question"], options, replies, options.index(entry["right"]))


def export_quiz(name: str, kind: str = "markdown") -> str:
    """Return the quiz of a lesson as a text to print or to import into a learning platform.

    Parameters
    ----------
    name : str
        Number of the lesson, such as "05", or "inventory": twenty questions for before and after the course.
    kind : {"markdown", "gift"}
        Markdown with the answers at the end, or GIFT, which Moodle and others import, with a reply to each option.

    Returns
    -------
    str
        The questions.

    Raises
    ------
    ValueError
        If the quiz or the kind is unknown.

    References
    ----------
    GIFT is the text format for questions of Moodle.

    Examples
    --------
    >>> print(export_quiz("05", "gift")[:40])
    ::05.1:: [markdown]You have five picture
    """
    check_known("kind", kind, ("markdown", "gift"))
    questions = read_quiz(name)
    if kind == "gift":
        return "\n\n".join(_write_gift(f"{name}.{number}", each) for number, each in enumerate(questions, 1)) + "\n"
    lines, answers = [f"# Quiz {name}", ""], ["## Answers", ""]
    for number, question in enumerate(questions, 1):
        options = [f"   - {letter}. {text}" for letter, text in zip(LETTERS, question.options, strict=True)]
        lines += [f"{number}. {question.text}", *options, ""]
        answers.append(f"{number}. {LETTERS[question.right]}. {question.replies[question.right]}")
    return "\n".join([*lines, *answers, ""])


def _write_gift(title, question):
    """Return a question in GIFT, whose special letters are escaped; as Markdown, so that code looks like code."""

    def escape(text):
        return re.sub(r"([~=#{}:\\])", r"\\\1", text)

    options = [
        f"{'=' if index == question.right else '~'}{escape(option)}#{escape(reply)}"
        for index, (option, reply) in enumerate(zip(question.options, question.replies, strict=True))
    ]
    return "\n".join([f"::{title}:: [markdown]{escape(question.text)} {{", *options, "}"])
