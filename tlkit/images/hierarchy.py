"""Folders at the top that aren't classes: splits, domains, and archives unpacked twice."""

import collections
import re
from pathlib import PurePosixPath

from tlkit.notices import warn

_SPLITS = (
    "train training trn tr val valid validation va dev test testing tst te eval evaluation holdout heldout unsup "
    "unsupervised labeled labelled unlabeled unlabelled pred prediction extra fold split part batch subset gallery "
    "query probe entrenamiento prueba treino teste entrainement apprentissage prüfung обучение "
    "训练 验证 测试 訓練 驗證 測試 検証 テスト 학습 훈련 검증 테스트"
)
_SPLITS = {f"{side}{noun}" for side in _SPLITS.split() for noun in ("", "set", "data", "images")}
_DOMAINS = frozenset(
    {"amazon", "dslr", "webcam", "caltech", "art", "painting", "cartoon", "photo", "sketch", "clipart", "product"}
    | {"real", "world", "infograph", "quickdraw", "synthetic", "source", "target", "domain"}
)
_PICTURES = {"image", "images", "img", "imgs", "rgb"}
_MASKS = {"label", "labels", "annotation", "annotations", "mask", "masks", "gt", "ground", "truth", "groundtruth"}
_MASKS |= {"segmentation", "segmentations", "depth"}
_MASK = re.compile(r"[_ -](mask|gt|seg)(_\d+)?(?=\.\w+$)", re.IGNORECASE)  # at the end of a file's name
_WORD = re.compile("[A-ZÀ-Þ]?[a-zß-ÿ]+|[A-Z]+(?![a-z])")
_N_SHOWN = 5


def check_hierarchy(tree, by_class):
    """Raise ValueError if the folders at the top look like splits, domains or copies; warn if they only may."""
    place = f"source: {tree.location} has the folders {list_some(by_class)} at its top, expected classes; "
    meant = 'if they are the classes, pass inside="."'
    inner = {top: find_inner(paths) for top, paths in by_class.items()}
    splits = [top for top in sorted(by_class) if _is_named(top, _SPLITS)]
    shared = _find_shared([names for _, names in inner.values()])
    plain = {top for top in splits if _is_named(top, _SPLITS, all)}
    has_shared = len(splits) > 1 and _find_shared([inner[top][1] for top in splits], n_least=1)
    if len(splits) == len(by_class) or has_shared or (len(plain) > 1 and any(inner[top][1] for top in plain)):
        calls = [tree.format_call(inner[top][0]) for top in splits if inner[top][1]]
        advice = f"take {' and '.join(calls)}, one at a time; compare takes an official test set as its `test`"
        advice, none = (advice, "") if calls else ("give a list of (file, label)", " and hold no class folders")
        raise ValueError(f"{place}they look like splits{none}: {advice}; {meant}")
    paths = [path for paths in by_class.values() for path in paths]
    masks = [top for top in by_class if _is_named(top, _MASKS)]
    masked = [top for top in by_class.keys() - set(masks) if _is_named(top, _PICTURES)]
    stems = collections.Counter(path.stem for path in paths)
    are_twins = sum(count > 1 for count in stems.values()) > len(stems) / 2
    are_masks = masks and masked and len(masks) + len(masked) == len(by_class) and (shared or are_twins)
    if are_masks or all(_is_named(top, _MASKS | _PICTURES, all) for top in by_class):
        kind = "pictures and their masks" if masks else "parts of one set"
        raise ValueError(f"{place}they look like {kind}: give a list of (file, label); {meant}")
    for top, (folder, names) in inner.items():
        if len(copies := names & by_class.keys()) > 1 and 2 * len(copies) >= len(by_class) - 1:
            again = f"{top} holds {list_some(copies)} once more, as if an archive was unpacked twice"
            raise ValueError(f"{place}{again}: take {tree.format_call(folder)}, or remove one copy; {meant}")
    named = sorted(path for path in paths if _MASK.search(path.name))
    files = {path.with_suffix("") for path in paths} if named else ()
    if found := [path for path in named if path.with_name(_MASK.sub("", path.name)).with_suffix("") in files]:
        found = f"{len(found)} {tree.medium.noun}s are named like masks of others, the first {found[0]}"
        warn(f"{tree.location}: {found}; move them out, or they are read as examples of their class")
    deep = {top: found for top, found in inner.items() if found[1]}
    flat = [path for top in by_class.keys() - deep.keys() for path in by_class[top]]
    if len(deep) == 1 and max((len(path.parts) for path in flat), default=0) == 2:
        ((top, (folder, names)),) = deep.items()
        found = f"{tree.location}: only the class {top!r} holds folders ({list_some(names)}), which are read together"
        warn(f"{found}; if these are the classes, take {tree.format_call(folder)}")
    if all(len(path.parts[0]) < 3 <= len(path.parts) and path.parts[1].startswith(path.parts[0]) for path in paths):
        found = f"{tree.location}: the classes {list_some(by_class)} are first letters of their folders, read together"
        warn(f"{found}; if these folders are the classes, give a list of (file, label)")
    if all(_is_named(name, _SPLITS) for name in shared):
        if shared:
            found = f"{tree.location}: the classes {list_some(by_class)} hold the same splits ({list_some(shared)})"
            warn(f"{found}, which are read together; for a part of them, give a list of (file, label)")
        return
    calls = [f'{tree.format_call(inner[top][0])[:-1]}, domain="{top}")' for top in sorted(by_class)]
    listed = " + ".join(calls[:3]) + (" + …" if len(calls) > 3 else "")
    if len(shared) > len(by_class) or all(_is_named(top, _DOMAINS) for top in by_class):
        found = f"all hold the same folders ({list_some(shared)}), so they look like domains"
        raise ValueError(f"{place}{found}: take {listed}; {meant}")
    found = f"{tree.location}: the classes {list_some(by_class)} hold the same folders ({list_some(shared)})"
    warn(f"{found}, whose {tree.medium.noun}s are read together; if these are the classes, take {listed}")


def find_inner(paths):
    """Return a folder (path) below which the pictures of a top folder are sorted, and the names of its folders."""
    n_parts = 1
    while len(names := {path.parts[n_parts] for path in paths if len(path.parts) > n_parts + 1}) == 1:
        n_parts += 1  # a wrapper, as in train/train/cat
    # Below a last wrapper without folders there is nothing sorted.
    return PurePosixPath(*paths[0].parts[:n_parts]) if names else PurePosixPath(paths[0].parts[0]), names


def _find_shared(groups, n_least=2):
    """Return the names that nearly all of several groups have in common, if each has hardly any others."""
    filled = [names for names in groups if len(names) >= n_least]
    if len(filled) < max(2, 0.8 * len(groups)):
        return set()
    counts = collections.Counter(name for names in filled for name in names)
    shared = {name for name, count in counts.items() if count > len(filled) / 2}
    alike = [len(names & shared) / len(names | shared) for names in filled]
    return shared if len(shared) >= n_least and sum(alike) / len(alike) > 0.7 else set()


def _is_named(folder, words, which=any):
    """Return whether any (or all) words of a name, such as "seg" and "train" of "seg_train", are among some words."""
    if any(word in folder for word in words if not word.isascii()):  # Chinese has no spaces between words
        return True
    found = _WORD.findall(folder)
    return bool(found) and which(word.casefold() in words for word in found)


def list_some(names):
    """Return the first names of a collection as text."""
    return ", ".join(sorted(names)[:_N_SHOWN]) + (" …" if len(names) > _N_SHOWN else "")
