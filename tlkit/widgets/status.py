"""The line that describes in words the state of a widget, also to screen readers."""

import html

import ipywidgets


class StatusLine(ipywidgets.HTML):
    """A line of text that screen readers read aloud when it changes.

    >>> line = StatusLine("5 < 6")
    >>> line.text, line.value
    ('5 < 6', "<span role='status' aria-live='polite'>5 &lt; 6</span>")
    """

    def __init__(self, text):
        super().__init__()
        self.text = text

    @property
    def text(self):
        """The text without markup."""
        return self._text

    @text.setter
    def text(self, text):
        """Show another text; its markup is escaped."""
        self._text = text
        self.value = f"<span role='status' aria-live='polite'>{html.escape(text)}</span>"
