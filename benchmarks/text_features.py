"""Features of texts per second, and memory: `tl.extract_features` against the `encode` of sentence-transformers.

Both have the same weights, cut texts at the same length, and take turns in one process per number of threads. The
weights have to be fetched before: `tlkit backbones fetch minilm`. The peer: `pip install sentence-transformers`.
"""

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe_machine, offers_bf16, run_alone, use_cores

N_TOKENS = 128
_TEXTS = "import tlkit as tl\ntexts = [text for text, _ in tl.load_texts('emoji', domain='en')][:400]\n"
CASES = {
    "by name, converted before": "tl.extract_features('minilm', texts, progress=False)",
    "with a Backbone": "tl.extract_features(tl.load_backbone('minilm'), texts, progress=False)",
    "sentence-transformers": "from text_features import load_peer\nload_peer().encode(texts)",
}


def main():
    """Time both ways on short and longer texts, and measure the memory of new processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, help="a CSV file (.gz) with a column text, for longer texts")
    parser.add_argument("--n-texts", type=int, default=400, help="texts of each kind")
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3, help="repetitions, in turn; medians count")
    parser.add_argument("--no-memory", action="store_true", help="leave out the memory of new processes")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        use_cores(arguments.threads[0])
        print(json.dumps(time_arms(arguments)))
        return
    print(describe_machine(), "" if offers_bf16() else "; no units for bf16: fast is float32 too", sep="")
    for n_threads in arguments.threads:
        command = [sys.executable, __file__, "--child", "--threads", str(n_threads), "--rounds", str(arguments.rounds)]
        command += ["--n-texts", str(arguments.n_texts)]
        command += ["--texts", str(arguments.texts)] if arguments.texts else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        for kind, found in json.loads(done.stdout.splitlines()[-1]).items():
            peer = found["sentence-transformers"]
            for arm, speed in found.items():
                if isinstance(speed, float) and arm != "difference":
                    name = f"{n_threads} threads, {kind}: {arm}"
                    print(f"{name:60} {speed:7.0f} texts per second, {speed / peer:.2f} times the peer", flush=True)
            print(f"  largest difference from the peer: {found['difference']:.1e}; {found['tokens']}")
    if not arguments.no_memory:
        measure_memory()


def time_arms(arguments):
    """Return {kind of texts: {arm: texts per second}} of this process."""
    import numpy as np
    import torch

    import tlkit as tl

    torch.set_num_threads(arguments.threads[0])
    backbone, peer = tl.load_backbone("minilm", n_tokens=N_TOKENS), load_peer()
    found = {}
    for kind, texts in read_texts(arguments).items():
        lengths = [int(backbone.preprocess(text)[:, 1].sum()) for text in texts]
        arms = make_arms(backbone, peer, texts)
        values, times = {}, {arm: [] for arm in arms}
        for round_ in range(arguments.rounds + 1):  # the first converts the network and isn't counted
            for arm, run in arms.items():
                started = time.perf_counter()
                values[arm] = run()
                if round_:
                    times[arm].append(time.perf_counter() - started)
        ours, theirs = (values[arm] for arm in ("tlkit, exact", "sentence-transformers"))
        difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
        speeds = {arm: len(texts) / float(np.median(taken)) for arm, taken in times.items()}
        tokens = f"{len(texts)} texts of {np.median(lengths):.0f} tokens (median), at most {max(lengths)}"
        found[kind] = speeds | {"difference": float(difference), "tokens": tokens}
    return found


def make_arms(backbone, peer, texts):
    """Return {arm: function that computes the features of the texts}."""
    import tlkit as tl

    settings = {"cache": False, "progress": False}
    return {
        "tlkit, exact": lambda: tl.extract_features(backbone, texts, **settings).values,
        "tlkit, fast": lambda: tl.extract_features(backbone, texts, precision="fast", **settings).values,
        "sentence-transformers": lambda: peer.encode(texts, show_progress_bar=False),
    }


def read_texts(arguments):
    """Return {kind: list of texts}."""
    import tlkit as tl

    texts = {"emoji": [text for text, _ in tl.load_texts("emoji", domain="en")][: arguments.n_texts]}
    if arguments.texts:
        with gzip.open(arguments.texts, "rt", encoding="utf-8", newline="") as file:
            rows = [row["text"] for row in csv.DictReader(file) if row.get("lang", "en") == "en"]
        texts["longer"] = rows[: arguments.n_texts]
    return texts


def load_peer():
    """Return the same encoder as a `SentenceTransformer`, with the mean over the tokens as its last step."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    import tlkit as tl

    folder = tl.load_backbone("minilm").provenance["file"]
    encoder = Transformer(folder, max_seq_length=N_TOKENS)
    return SentenceTransformer(modules=[encoder, Pooling(encoder.get_embedding_dimension())], device="cpu")


def measure_memory():
    """Print the peak of a new process for each of CASES; the network was converted before."""
    places = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as folder:
        link_weights(Path(folder))
        variables = {"TLKIT_CACHE_DIR": folder, "PYTHONPATH": places}
        run_alone(_TEXTS + "tl.extract_features('minilm', texts[:1], progress=False)", **variables)
        for name, code in CASES.items():
            notes = run_alone(_TEXTS + code, **variables)
            modules = ", ".join(notes["modules"]) or "none"
            print(f"{name:28} {notes['peak_mb'] / 1.048576:6.0f} MiB, {notes['total_s']:5.1f} s, imports {modules}")


def link_weights(cache):
    """Let another cache have the fetched weights."""
    from tlkit.storage import cache_folder

    (cache / "weights").mkdir()
    (cache / "weights" / "minilm").symlink_to(cache_folder() / "weights" / "minilm")


if __name__ == "__main__":
    main()
