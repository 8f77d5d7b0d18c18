"""Preprocessing of texts: tokens and their mask. Without torch."""

import dataclasses
import functools
import hashlib
import importlib

import numpy as np

from tlkit.backbones.recipe import Recipe

# Texts are filled up to a multiple of so many tokens, each by itself, so that no text's features depend on others.
_STEP = 8


@dataclasses.dataclass(frozen=True)
class TextRecipe:
    """The tokens that a text encoder takes: its vocabulary, and the length at which texts are cut."""

    n_tokens: int  # with the special tokens at both ends
    tokenizer: str  # the content of a tokenizer.json of the library tokenizers
    pad_id: int = 0  # of the token that fills texts up

    noun = "text"
    input_dtype = crop_dtype = "int64"
    n_channels = 0  # no picture

    def __repr__(self):
        # Fingerprints of features hash this text.
        digest = hashlib.sha256(self.tokenizer.encode()).hexdigest()
        return f"TextRecipe(n_tokens={self.n_tokens}, tokenizer='{digest}', pad_id={self.pad_id})"

    @property
    def input_shape(self):
        """The shape of one preprocessed text: (n_tokens, 2), ids and mask."""
        return self.n_tokens, 2

    crop_shape = input_shape

    @property
    def input_size(self):
        """The length of the input, in tokens."""
        return self.n_tokens

    @property
    def shown_size(self):
        """The length of the input with its unit."""
        return f"{self.n_tokens} tokens"

    @property
    def settings(self):
        """The arguments of `load_backbone` that give this input."""
        return {"n_tokens": self.n_tokens}

    def at(self, n_tokens):
        """Return the recipe for texts of another length."""
        return dataclasses.replace(self, n_tokens=n_tokens)

    def describe(self):
        """Return the recipe as plain values for JSON, without the vocabulary itself."""
        return dataclasses.asdict(self) | {"tokenizer": hashlib.sha256(self.tokenizer.encode()).hexdigest()}

    @property
    def stored(self):
        """The vocabulary as bytes, uint8, which a saved run holds."""
        return {"tokenizer": np.frombuffer(self.tokenizer.encode(), np.uint8).copy()}

    def read(self, texts, index):
        """Return one text (str) of a `TextSet`."""
        return texts.read(index)

    resize = staticmethod(str)

    def tokenize(self, text):
        """Return the tokens (list of str) of a text; one stands for all that the vocabulary lacks."""
        tokenizer = _open_tokenizer(self.tokenizer, self.n_tokens)
        return [tokenizer.id_to_token(number) for number in tokenizer.encode(text).ids]

    def crop(self, text):
        """Return the tokens (length, 2) int64 of a text, filled up to the next step with tokens that the mask hides."""
        ids = _open_tokenizer(self.tokenizer, self.n_tokens).encode(text).ids
        tokens = np.zeros((min(self.n_tokens, -len(ids) % _STEP + len(ids)), 2), np.int64)
        tokens[:, 0], tokens[: len(ids), 1] = self.pad_id, 1
        tokens[: len(ids), 0] = ids
        return tokens

    as_crop = staticmethod(np.asarray)

    def to_array(self, tokens):
        """Return the tokens (n_tokens, 2) of all texts alike, filled up."""
        filled = np.zeros((self.n_tokens, 2), np.int64)
        filled[:, 0], filled[: len(tokens)] = self.pad_id, tokens
        return filled

    def __call__(self, text):
        """Return (n_tokens, 2) int64, ids and mask, of a text."""
        return self.to_array(self.crop(text))

    def gather(self, texts, argument="texts"):
        """Return a text or texts as a `TextSet`."""
        if hasattr(texts, "noun"):
            return self.check(texts, argument)
        return importlib.import_module("tlkit.texts.sources").gather_texts(texts, argument)

    check = Recipe.check

    def sort(self, texts, indices):
        """Return indices of texts, those of equal length together."""
        return sorted(indices, key=lambda index: len(self.crop(self.read(texts, index))))

    def trim(self, batch):
        """Return a batch (n, n_tokens, …) of tokens or hidden states without the places that the mask hides in all."""
        return batch if batch.ndim < 3 else batch[:, : max(1, int(batch[..., -1].sum(1).max()))]

    def draw(self, n, seed):
        """Return n random inputs, a quarter of each hidden by the mask."""
        n_known = _open_tokenizer(self.tokenizer, self.n_tokens).get_vocab_size()
        tokens = np.ones((n, *self.input_shape), np.int64)
        tokens[..., 0] = np.random.default_rng(seed).integers(n_known, size=tokens.shape[:2])
        tokens[:, -(self.n_tokens // 4) :] = self.pad_id, 0
        return tokens


@functools.lru_cache(maxsize=8)
def _open_tokenizer(content, n_tokens):
    """Return the tokenizer of a file's content, which cuts texts and doesn't fill them up."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_padding()
    tokenizer.enable_truncation(n_tokens)
    return tokenizer
