"""Controls of explorers: radio buttons, toggles and sliders, described for the script that shows them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Control:
    """A choice among options; `chosen` values are theirs, while the browser only knows their positions."""

    kind: str  # "radio", "toggles" (any number of options) or "slider"
    options: tuple
    texts: tuple  # of str, as many
    label: str = ""
    unit: str = ""

    def find(self, value):
        """Return the position of a value among the options; those of a tuple of values, for toggles."""
        if self.kind == "toggles":
            return [self.options.index(one) for one in value]
        return self.options.index(value)

    def get(self, place):
        """Return the option at a position; the tuple of options at several, for toggles."""
        if self.kind == "toggles":
            return tuple(self.options[one] for one in sorted(place))
        return self.options[place]

    def list_clicks(self, value):
        """Return the values that clicks on the options lead to; none for a slider, whose options can all be chosen."""
        if self.kind == "toggles":
            return [
                tuple(one for one in self.options if (one in value) != (one == clicked)) for clicked in self.options
            ]
        return self.options if self.kind == "radio" else ()

    def describe(self, name, disabled=()):
        """Return the control for the script (dict), with the positions of options that can't be chosen."""
        given = {"name": name, "kind": self.kind, "texts": self.texts, "label": self.label or name, "unit": self.unit}
        return given | {"disabled": list(disabled)}


def make_buttons(options, *, label="", unit="", kind="radio", format_option=str):
    """Return radio buttons, or toggles, for values or pairs (text, value)."""
    pairs = [option if isinstance(option, tuple) else (format_option(option), option) for option in options]
    return Control(kind, tuple(value for _, value in pairs), tuple(text for text, _ in pairs), label, unit)


def make_slider(options, *, label="", unit=""):
    """Return a slider over values; a button for a single one, since sliders need two."""
    return make_buttons(options, label=label, unit=unit, kind="slider" if len(options) > 1 else "radio")
