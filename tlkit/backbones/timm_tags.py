"""The data that timm's weights were trained on, by the tags of the weights. Without torch.

A tag such as "laion2b_ft_in12k_in1k" names the data in the order of their use, next to training recipes and authors. If
a tag doesn't name the data (Meta's "mae", "dino"), we follow the papers that timm cites.
"""

import csv
import importlib.resources
import re

# Rows: pattern of a part of timm's tag, the data, and the kind of an `Entry`. Names of data sets come first, then words
# that imply data. The first pattern that matches counts. Pictures of everything are "general" for any task.
_TABLE = importlib.resources.files("tlkit") / "backbones" / "data" / "timm_tags.csv"
with _TABLE.open(encoding="utf-8", newline="") as _file:
    _DATA = [tuple(row.values()) for row in csv.DictReader(_file)]


def read_tag(architecture, tag):
    """Return (pretrained_on, kind) of timm's weights; the kind is that of the data used last."""
    if architecture.endswith("_sapiens2"):
        return "Humans-1B, pictures of people", "domain"
    found = []
    for part in tag.split("_"):
        known = next(((data, kind) for pattern, data, kind in _DATA if re.fullmatch(pattern, part)), None)
        if known and known not in found[-1:]:
            found.append(known)
    if tag.startswith("qwen_drive"):
        return "not stated in timm, for driving", "domain"
    if not found:  # all such weights in timm are trained on web pictures
        return "not stated in timm", "general"
    return ", then ".join(data for data, _ in found), found[-1][1]
