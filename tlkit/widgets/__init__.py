"""Interactive views of computations and drawings that work without them; only this folder imports ipywidgets.

Building a widget displays nothing. Front ends without widgets show a still picture or a table. The `status` of an
explorer describes its state in words, and `error` is the exception that the last change ended in, or None. Its
`snapshot` is a still picture of a choice, which is in traits; an unknown value raises TraitError.
"""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
