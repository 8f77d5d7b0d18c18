"""Networks in files that other programs run: ONNX, OpenVINO, a web page; each with a card."""

from tlkit.lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
