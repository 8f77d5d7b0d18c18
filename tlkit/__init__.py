"""tlkit: teach and research transfer learning in Jupyter.

A backbone is loaded, frozen in part, its features extracted, tuned, adapted to another domain, and the result compared
with what would have come without transfer. Start with `load_images`, `load_backbone` and `compare`; everything else is
named in the README.
"""

import importlib
import os

__version__ = "0.1.0"

# OpenMP's threads, which compute for torch, wait for each other in a busy loop of about a millisecond. Where another
# program wants a core as well, such as the browser that shows the notebook, each burns the time that another waits
# for: a training step took ten times as long here. A loop a thirtieth as long costs some 3 % on a quiet machine; none
# at all would cost half. GNU's OpenMP reads this when torch is first imported; who has set it keeps it.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Public names and where they live. They are imported when first used, so that `import tlkit` costs milliseconds.
_HOMES = {
    "Backbone": "tlkit.backbones.backbone",
    "Comparison": "tlkit.comparison.results",
    "FeatureExtractor": "tlkit.features.extractor",
    "Features": "tlkit.features.features",
    "Head": "tlkit.heads",
    "ImageSet": "tlkit.images",
    "LearningCurve": "tlkit.comparison.curve_results",
    "Phase": "tlkit.strategies.strategy",
    "Probe": "tlkit.strategies.probe",
    "Run": "tlkit.training.run",
    "Strategy": "tlkit.strategies.strategy",
    "audit_freezing": "tlkit.backbones.freezing.audit",
    "compare": "tlkit.comparison.compare",
    "extract_features": "tlkit.features.extract",
    "fit_head": "tlkit.heads",
    "freeze": "tlkit.backbones.freezing.freeze",
    "learning_curve": "tlkit.comparison.learning_curve",
    "load_backbone": "tlkit.backbones.loader",
    "load_images": "tlkit.images",
    "load_run": "tlkit.training.run",
    "transfer": "tlkit.training.transfer",
}
_MODULES = (
    *("adaptation", "backbones", "evaluation", "features", "heads", "images", "inspection", "lessons", "plots"),
    *("selection", "strategies", "widgets"),
)

__all__ = sorted([*_HOMES, *_MODULES])


def __getattr__(name):
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"tlkit.{name}")
    else:
        from tlkit.arguments import suggest

        raise AttributeError(f"tlkit has no {name!r}; {suggest(name, __all__)}")
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
