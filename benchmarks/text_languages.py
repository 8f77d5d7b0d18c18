"""Across languages: a head learns from English texts of the emoji set and is tested on texts of four other languages.

Compares TF-IDF with two frozen encoders, raw and aligned with the kit's objectives. Each row is written as soon as its
head is scored, and rows that are there are not repeated. Prints the tables; with --report also writes Markdown. The
weights have to be fetched before: `tlkit backbones fetch minilm use_multilingual`.
"""

import argparse
import dataclasses
import platform
import re
from pathlib import Path

import numpy as np
from machine import describe_machine
from rows import append_row, read_rows, write_cell

COLUMNS = (
    "encoder",
    "target",
    "alignment",
    "shots",
    "seed",
    "accuracy",
    "n_train",
    "n_unlabelled",
    "n_test",
    "processor",
)
ENCODERS = ("tf-idf", "minilm", "use_multilingual")
NO_LATIN = "zh, no Latin letters"
TARGETS = ("en", "de", "fr", "ja", "zh", NO_LATIN)
ALIGNMENTS = ("none", "mean", "coral")
SHOTS = (5, "all")
N_SEEDS = 5
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\uff21-\uff3a\uff41-\uff5a]+")


def main():
    """Make the missing rows, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--report", type=Path, help="a Markdown file")
    arguments = parser.parse_args()
    done = {(row["encoder"], row["shots"], int(row["seed"])) for row in read_rows(arguments.rows)}
    languages = load_languages()
    for encoder in ENCODERS:
        known = {}
        for shots in SHOTS:
            for seed in range(N_SEEDS):
                if (encoder, str(shots), seed) in done:
                    continue
                for row in list(score(encoder, languages, shots, seed, known)):  # written together
                    row |= {"encoder": encoder, "shots": shots, "seed": seed, "processor": describe_machine()}
                    append_row(arguments.rows, row, COLUMNS)
                print(f"{encoder}, {shots} per class, seed {seed}", flush=True)
    report = write_report(read_rows(arguments.rows), languages["zh"])
    print(report)
    if arguments.report:
        arguments.report.write_text(report, encoding="utf-8")


def load_languages():
    """Return {name in TARGETS: TextSet}; an emoji has the same row, fold and group in all of them."""
    import tlkit as tl

    texts = tl.load_texts("emoji")
    languages = {name: texts.select(domain=name) for name in TARGETS if name != NO_LATIN}
    chinese = languages["zh"].pictures
    cut = np.array([dataclasses.replace(stored, text=_LATIN.sub("", stored.text)) for stored in chinese], object)
    return languages | {NO_LATIN: dataclasses.replace(languages["zh"], pictures=cut)}


def score(encoder, languages, shots, seed, known):
    """Yield a row (dict) for each target and alignment; the seed is the test fold, and draws the shots."""
    import tlkit as tl

    english = languages["en"]
    few = english[english.folds != seed]
    few = few if shots == "all" else few.few(shots, seed=seed)
    values = {name: encode(encoder, texts, few, known, name) for name, texts in languages.items()}
    rows = {name: row for row, name in enumerate(english.names)}
    # Training texts without a label are only aligned.
    labels = np.full(len(english), -1)
    labels[[rows[name] for name in few.names]] = few.labels
    is_source = english.folds != seed
    for target, texts in languages.items():
        is_test = texts.folds == seed
        assert (texts.groups == english.groups).all()
        for alignment in ALIGNMENTS if target != "en" else ALIGNMENTS[:1]:
            # The target's own training texts, without labels; no test text takes part.
            given = values["en"][is_source], labels[is_source], values[target][~is_test]
            weight, bias = tl.adaptation.Align(alignment).solve(*given, len(texts.classes), seed)
            found = (values[target][is_test] @ weight.T + bias).argmax(1)
            yield {
                "target": target,
                "alignment": alignment,
                "accuracy": np.mean(found == texts.labels[is_test]),
                "n_train": len(few),
                "n_unlabelled": int((~is_test).sum()),
                "n_test": int(is_test.sum()),
            }


def encode(encoder, texts, few, known, name):
    """Return the features (n, d) of texts; TF-IDF knows the terms of the labelled texts alone."""
    import tlkit as tl
    from tlkit.features.hand_made import weigh_terms

    if encoder == "tf-idf":
        return weigh_terms(few, texts)[1].values
    if name not in known:
        known[name] = tl.extract_features(encoder, texts, progress=False).values
    return known[name]


def write_report(rows, chinese):
    """Return the report as Markdown: accuracies, then gains by alignment and by encoder, with intervals."""
    from tlkit.evaluation.intervals import t_interval

    scores = {}
    for row in rows:
        key = row["encoder"], row["alignment"], row["target"], row["shots"]
        scores.setdefault(key, {})[int(row["seed"])] = float(row["accuracy"])
    arms = [(encoder, alignment) for encoder in ENCODERS for alignment in ALIGNMENTS]
    aligned = {
        key: subtract(cells, scores[key[0], "none", *key[2:]]) for key, cells in scores.items() if key[1] != "none"
    }
    ahead = {
        key: subtract(cells, scores["minilm", *key[1:]]) for key, cells in scores.items() if key[0] == ENCODERS[-1]
    }
    largest = np.bincount(chinese.labels).max() / len(chinese)
    letters = sum(len(run) for row in range(len(chinese)) for run in _LATIN.findall(chinese.read(row)))
    letters /= sum(len(chinese.read(row)) for row in range(len(chinese)))
    first = rows[0]
    lines = [
        *("# From English to other languages", ""),
        "A logistic head learns from English names and keywords of emoji, and is tested on those of another language. "
        "Each cell is the share of correct test texts, in percent, with 5 and with all training texts per class: the "
        f"mean over {N_SEEDS} folds ± half the 95 % interval (Student's t). No emoji is in both training and test, in "
        f"any language; a fold has about {first['n_test']} test texts. The largest class has {100 * largest:.0f} % of "
        f"them, and Latin letters are {100 * letters:.1f} % of the Chinese characters.",
        "",
        "`mean` shifts the English features to the mean of the other language, as if each language's own mean were "
        "subtracted. `coral` aligns their covariances too. Both see the training texts of the other language, about "
        f"{first['n_unlabelled']}, without labels. TF-IDF knows the terms of the labelled English texts.",
        "",
        f"Made by `benchmarks/text_languages.py` on {' and '.join(sorted({row['processor'] for row in rows}))}, Python "
        f"{platform.python_version()}.",
    ]
    tables = {
        "Accuracy": (scores, arms),
        "Gain by alignment, on the same folds": (aligned, [arm for arm in arms if arm[1] != "none"]),
        "Gain of use_multilingual over minilm, on the same folds": (
            ahead,
            [arm for arm in arms if arm[0] == ENCODERS[-1]],
        ),
    }
    for title, (cells, shown) in tables.items():
        lines += ["", f"## {title}", "", f"| features | alignment | {' | '.join(TARGETS)} |"]
        lines.append("|---" * (2 + len(TARGETS)) + "|")
        for arm in shown:
            columns = [
                " / ".join(write_cell(cells.get((*arm, target, str(shots))), t_interval) for shots in SHOTS)
                for target in TARGETS
            ]
            lines.append(f"| {' | '.join(arm)} | {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def subtract(scores, baseline):
    """Return the differences {seed: value} of two arms on the same seeds."""
    return {seed: value - baseline[seed] for seed, value in scores.items() if seed in baseline}


if __name__ == "__main__":
    main()
