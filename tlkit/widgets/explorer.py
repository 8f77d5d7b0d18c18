"""What all explorers share: failures are shown, and where there are no widgets a picture stands in for them."""

import base64

import ipywidgets

from tlkit.plots.page import DOTS_PER_INCH


class Explorer(ipywidgets.VBox):
    """A widget to look at results with; those that derive from it have a `StatusLine` as `status`, and a `snapshot`.

    `error` is the exception that the last change ended in, or None.
    """

    error = None

    def report_failure(self, action):
        """Call an action; an exception is said in the status line instead of ending in a log that nobody sees."""
        try:
            action()
        except Exception as error:
            self.error = error
            self.status.text = f"This could not be shown: {type(error).__name__}: {error}"

    def _repr_mimebundle_(self, **keywords):
        bundle = super()._repr_mimebundle_(**keywords)
        bundle["image/png"] = base64.b64encode(self.snapshot().data).decode()
        return bundle


def make_picture(size_inches, **traits):
    """Return an Image for a drawing of that size (width, height), which shrinks with the page."""
    width_px = f"{size_inches[0] * DOTS_PER_INCH:.0f}px"
    return ipywidgets.Image(format="png", layout={"width": width_px, "max_width": "100%"}, **traits)
