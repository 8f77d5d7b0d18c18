"""Tiny text encoders with random weights, made in a folder as Hugging Face's are."""

import torch

WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "ran",
    "on",
    "mat",
    "in",
    "house",
    "fish",
    "swims",
    "bird",
    "flies",
    "over",
    "sea",
    "big",
    "small",
    "red",
    "blue",
]
PETS = ("the cat sat on the mat", "a dog ran in the house", "the big cat ran", "small dog sat on a mat in the house")
WILD = ("fish swims in the sea", "a bird flies over the sea", "red fish", "blue bird flies over a big house in the sea")


def write_encoder(folder, kind="bert", *, n_layers=2, dropout=0.1, seed=0, pad=0):
    """Write config.json, model.safetensors and tokenizer.json, and return the network."""
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    special[0], special[pad] = special[pad], special[0]
    numbers = {word: number for number, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer, tokenizer.normalizer = pre_tokenizers.Whitespace(), normalizers.Lowercase()
    ends = [(name, numbers[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.save(str(folder / "tokenizer.json"))
    sizes = {"hidden_size": 32, "num_hidden_layers": n_layers, "num_attention_heads": 2, "intermediate_size": 64}
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    if kind == "distilbert":
        sizes = {"dim": 32, "n_layers": n_layers, "n_heads": 2, "hidden_dim": 64}
        rates = {"dropout": dropout, "attention_dropout": dropout}
    options = sizes | rates | {"vocab_size": len(numbers), "max_position_embeddings": 40, "pad_token_id": pad}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **options))
        with torch.no_grad():
            for value in network.parameters():  # the usual start is so small that all texts look alike
                value.add_(0.1 * torch.randn(value.shape))
    transformers.logging.disable_progress_bar()
    network.save_pretrained(folder)
    return network.eval()


def mean_hidden_states(network, tokenizer, texts, n_tokens=40):
    """Return the means over the tokens, computed text by text without any padding."""
    rows = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        ids = ids if len(ids) <= n_tokens else [*ids[: n_tokens - 1], ids[-1]]
        with torch.no_grad():
            rows.append(network(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0))
    return torch.stack(rows).numpy()
