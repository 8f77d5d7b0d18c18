"""Frozen features by name in a new process: memory, time to the first features, and whether torch is imported.

Linux only: the peak is the kernel's VmHWM. Prints a table, with ratios to the same call with a Backbone, which needs
torch.
"""

import argparse
import tempfile

from machine import describe_machine, run_alone

_IMAGES = """
import tlkit as tl
images = tl.load_images("styles", domain="clipart")
"""
_FIRST = """
tl.extract_features("efficientnet_lite0", images[:8], progress=False)
notes["first_s"] = now()
"""
CASES = {
    "extract_features, by name": _IMAGES
    + _FIRST
    + """
features = tl.extract_features("efficientnet_lite0", images, progress=False)
""",
    "the same, with a logistic head": _IMAGES
    + _FIRST
    + """
features = tl.extract_features("efficientnet_lite0", images, progress=False)
tl.fit_head(features)
""",
    "FeatureExtractor": _IMAGES
    + """
extractor = tl.FeatureExtractor("efficientnet_lite0")
extractor.fit_transform(images[:8])
notes["first_s"] = now()
values = extractor.transform(images)
""",
    "FeatureExtractor, LogisticRegression": _IMAGES
    + """
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
tl.FeatureExtractor("efficientnet_lite0").fit_transform(images[:8])
notes["first_s"] = now()
make_pipeline(tl.FeatureExtractor("efficientnet_lite0"), LogisticRegression(C=10)).fit(images, images.labels)
""",
    "tlkit extract": """
import contextlib, io, sys, tempfile
from pathlib import Path
folder = tempfile.TemporaryDirectory()
sys.argv = ["tlkit", "extract", "styles", "--backbone", "efficientnet_lite0"]
sys.argv += ["--output", str(Path(folder.name) / "features.npz")]
from tlkit.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
assert (Path(folder.name) / "features.npz").exists()
folder.cleanup()
""",
    "with a Backbone (torch)": _IMAGES
    + """
backbone = tl.load_backbone("efficientnet_lite0")
tl.extract_features(backbone, images[:8], progress=False)
notes["first_s"] = now()
tl.extract_features(backbone, images, progress=False)
""",
}


def main():
    """Convert the network once, then run each case with only that in the cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="repetitions of each case; the best counts")
    arguments = parser.parse_args()
    print(describe_machine())
    print("case                                  peak (MB)  first 8 pictures after (s)  all after (s)  heavy modules")
    results = {}
    for name, code in CASES.items():
        try:
            results[name] = run_case(code, arguments.rounds)
        except RuntimeError as error:
            print(f"{name:36}  {str(error).strip().splitlines()[-1]}", flush=True)
            continue
        notes = results[name]
        first = f"{notes['first_s']:.1f}" if "first_s" in notes else "-"
        modules = ", ".join(notes["modules"]) or "none"
        print(f"{name:36}  {notes['peak_mb']:9.0f}  {first:>26}  {notes['total_s']:13.1f}  {modules}", flush=True)
    by_name, with_torch = (results.get(name) for name in ("extract_features, by name", "with a Backbone (torch)"))
    if by_name and with_torch:
        memory, first = (with_torch[key] / by_name[key] for key in ("peak_mb", "first_s"))
        print(f"by name: 1/{memory:.1f} of the memory, {first:.1f} times as early")


def run_case(code, n_rounds):
    """Return the notes of the best of some runs; each starts with a converted network and no stored features."""
    best = None
    for _ in range(n_rounds):
        with tempfile.TemporaryDirectory() as folder:
            prepared = _IMAGES + 'tl.extract_features("efficientnet_lite0", images[:1], progress=False)'
            run_alone(prepared, TLKIT_CACHE_DIR=folder)
            notes = run_alone(code, TLKIT_CACHE_DIR=folder)
        if best is None or notes["total_s"] < best["total_s"]:
            best = notes
    return best


if __name__ == "__main__":
    main()
