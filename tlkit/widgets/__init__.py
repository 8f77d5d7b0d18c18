"""Interactive views of computations and drawings that work without them; only this folder imports ipywidgets.

Building a widget displays nothing. Front ends without widgets show a still picture or a table. The `status` of an
explorer describes its state in words, and `error` is the exception that the last change ended in, or None. Its
`snapshot` is a still picture of the current choice or of another one, as in `explorer.snapshot(method="coral")`.
The choice that an explorer shows is in traits with the names of its arguments, or those in its description. Assigning
one moves its control; an unknown value raises TraitError.
"""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
