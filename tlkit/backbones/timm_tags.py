"""The data that timm's weights were trained on, by the tags of the weights. Without torch.

A tag such as "laion2b_ft_in12k_in1k" names the data in the order of their use, next to training recipes and authors. If
a tag doesn't name the data (Meta's "mae", "dino"), we follow the papers that timm cites.
"""

import re

# Pattern of a part of timm's tag, the data, and the kind of an `Entry`. Names of data sets come first, then words
# that imply data. The first pattern that matches counts. Pictures of everything are "general" for any task.
_DATA = (
    (r"in1k", "ImageNet-1k", "general"),
    (r"in12k", "ImageNet-12k", "general"),
    (r"in21k|inw21k", "ImageNet-21k", "general"),
    (r"in22k", "ImageNet-22k", "general"),
    (r"laion2b", "LAION-2B", "general"),
    (r"laion400m", "LAION-400M", "general"),
    (r"laiona", "LAION-Aesthetics", "general"),
    (r"webli", "WebLI", "general"),
    (r"openai", "OpenAI's 400 million pictures with texts", "general"),
    (r"metaclip|metaclip2|altogether", "MetaCLIP", "general"),
    (r"datacompxl|datacomp1b", "DataComp", "general"),
    (r"dfn2b|dfn5b|dfndr2b", "DFN", "general"),
    (r"merged2b|m30m|m38m", "EVA's merged data sets", "general"),
    (r"yfcc15m|yfcc100m", "YFCC100M", "general"),
    (r"cc12m", "Conceptual 12M", "general"),
    (r"ig1b|swag|seer", "Instagram", "general"),
    (r"jft", "JFT-300M", "general"),
    (r"lvd142m", "LVD-142M", "general"),
    (r"lvd1689m", "LVD-1689M", "general"),
    (r"sa1b", "SA-1B", "general"),
    (r"bamboo", "Bamboo", "general"),
    (r"florence2", "FLD-5B", "general"),
    (r"inat\d*", "iNaturalist, living things", "domain"),
    (r"sat493m", "SAT-493M, satellite pictures", "domain"),
    (r"docci", "DOCCI", "general"),
    (r"ocrvqa", "OCR-VQA, book covers with questions", "task"),
    (r"refcoco", "RefCOCO, for segmenting what a text names", "task"),
    (r"pali|pali2", "WebLI", "general"),
    (r"mae|fcmae|dino", "ImageNet-1k", "general"),
    (r"mclip", "DataCompDR", "general"),
)


def read_tag(architecture, tag):
    """Return (pretrained_on, kind) of timm's weights; the kind is that of the data used last.

    >>> read_tag("convnext_base", "clip_laion2b_augreg_ft_in12k_in1k")
    ('LAION-2B, then ImageNet-12k, then ImageNet-1k', 'general')
    >>> read_tag("vit_large_patch16_dinov3", "sat493m")
    ('SAT-493M, satellite pictures', 'domain')
    """
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
