"""The questions of a lesson with a reply to each answer: the `Quiz`."""

import html
import re

import anywidget
import traitlets

from tlkit.arguments import check_count, check_known
from tlkit.languages import show, translate
from tlkit.lessons.progress import find_entry, keep_try
from tlkit.lessons.quiz import LETTERS, read_quiz
from tlkit.widgets.explorer import make_bundle, read_files


class Quiz(anywidget.AnyWidget):
    """Ask the multiple-choice questions of a lesson; each answer gets a reply.

    The wrong options are what people often believe. In an open notebook, `progress.json` beside it keeps whether all
    answers were right, and the number of tries. The keys Tab, arrows and space are enough.

    Parameters
    ----------
    name : str
        Number of the lesson, such as "05", or "inventory": twenty questions for before and after the course.

    Attributes
    ----------
    n_right : int
        Number of questions whose chosen option is right.

    Raises
    ------
    ValueError
        If there is no such quiz.

    Examples
    --------
    >>> quiz = Quiz("05")
    >>> quiz.choose(1, "D")
    'Right: With so few pictures, tuning moved accuracy up or down by some points.'
    >>> quiz
    Quiz(05: 1 of 5 questions right)
    """

    _esm = read_files("kit.js", "quiz.js")
    _css = read_files("kit.css", "quiz.css")

    questions = traitlets.List(traitlets.Dict()).tag(sync=True, to_json=show)  # {"text", "options"}
    chosen = traitlets.List(traitlets.Int(min=-1, max=len(LETTERS) - 1)).tag(sync=True)  # -1: none yet
    replies = traitlets.List(traitlets.Unicode()).tag(sync=True, to_json=show)
    status = traitlets.Unicode().tag(sync=True, to_json=show)

    def __init__(self, name: str):
        self._name, self._questions = name, read_quiz(name)
        super().__init__(
            questions=[{"text": each.text, "options": list(each.options)} for each in self._questions],
            chosen=[-1] * len(self._questions),
            replies=[""] * len(self._questions),
        )
        self.status = "Passed before." if find_entry("exercises", f"{name}_quiz").get("passed") is True else ""
        self.observe(self._reply, "chosen")

    @property
    def n_right(self):
        """Number of questions whose chosen option is right."""
        return sum(place == each.right for place, each in zip(self.chosen, self._questions, strict=True))

    def choose(self, question: int, letter: str) -> str:
        """Answer a question, as a click does.

        Parameters
        ----------
        question, letter : int and {"A", "B", "C", "D"}
            Number of the question, from 1, and the option.

        Returns
        -------
        str
            Whether the answer is right, and why.
        """
        place = check_count("question", question, 1, len(self._questions)) - 1
        check_known("letter", letter, LETTERS)
        self.chosen = [*self.chosen[:place], LETTERS.index(letter), *self.chosen[place + 1 :]]
        return self.replies[place]

    def _reply(self, _change=None):
        """Say to each chosen option whether it is right, and count the try."""
        self.replies = [
            ""
            if place < 0
            else f"Right: {each.replies[place]}"
            if place == each.right
            else f"Not yet: {each.replies[place]}"
            for place, each in zip(self.chosen, self._questions, strict=True)
        ]
        problem = keep_try(f"{self._name}_quiz", self.n_right == len(self._questions))
        self.status = f"{self.n_right} of {len(self._questions)} right." + f" {problem}" * bool(problem)

    def _repr_mimebundle_(self, **keywords):
        """Return the widget's display data, with the questions and folded answers for front ends without widgets."""
        items, answers = "", ""
        for each in self._questions:
            options = "".join(f"<li>{_format(option)}</li>" for option in each.options)
            items += f'<li>{_format(each.text)}<ol type="A">{options}</ol></li>'
            answers += f"<li>{LETTERS[each.right]}. {_format(each.replies[each.right])}</li>"
        form = f"<ol>{items}</ol><details><summary>{translate('Answers')}</summary><ol>{answers}</ol></details>"
        return make_bundle(self, keywords, {"text/html": form})

    def __repr__(self):
        return f"Quiz({self._name}: {self.n_right} of {len(self._questions)} questions right)"


def _format(text):
    """Return a text in the reader's language as HTML, with what stands between backticks as code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", html.escape(translate(text)))
