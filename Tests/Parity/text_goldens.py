"""Tokens and text features of transformers, open_clip and SentencePiece → LanguageTests/Fixtures.

    python text_goldens.py --full BENCHMARKS     # compare 10,000 sentences with the published merges
    python text_goldens.py                       # torch, transformers, open_clip, sentencepiece, tokenizers, numpy

Vocabularies are trained here on generated sentences, so that no publisher's file is committed.
"""

import io
import json
import pathlib
import random
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import sentencepiece
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from parameters import around

HERE = pathlib.Path(__file__).parent
TARGET = HERE.parent / "LanguageTests" / "Fixtures"

WORDS = """a the person man woman child dog horse ball bicycle rides throws catches falls runs jumps opens closes pours cuts off on
into over under behind quickly slowly don't can't it's we've I'm they'll he'd car's 1 2 23 2024 3.14 half ½ ² Ⅳ""".split()
SCRIPTS = [
    "Über naïve façade Ελληνικά Σίσυφος ΟΔΟΣ привет МИР שלום مرحبا नमस्ते สวัสดี 你好世界 こんにちは カタカナ 안녕하세요 ქართული አማርኛ İstanbul ǅ ﬁne".split(),
    "😀 👨‍👩‍👧‍👦 🏳️‍🌈 ❤️ ✂ → ∑ € ™ ①".split(),
    ["\t", "\n", "\u00a0", "\u3000", "\u0000", "\u0007", "\u200b", "\u200d", "\u2028", "e\u0301", "\ufeff", "<|endoftext|", "!!", "...", "-", "'", "''s"],
]


def sentences(count, seed=1):
    generator = random.Random(seed)
    result = []
    for _ in range(count):
        words = []
        for _ in range(generator.choice([1, 3, 6, 10, 15, 40])):
            pool = WORDS if generator.random() < 0.7 else generator.choice(SCRIPTS)
            word = generator.choice(pool)
            if generator.random() < 0.1:
                word = word.upper()
            words.append(word)
        result.append(generator.choice([" ", " ", " ", "", "  "]).join(words))
    return result


# MARK: tokens


def clip_tokenizer(merges):
    """Built like transformers' fast CLIP tokenizer, with these merges."""
    from transformers import CLIPTokenizerFast

    letters = byte_letters()
    vocabulary = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "vocab.json").write_text(json.dumps({v: i for i, v in enumerate(vocabulary)}))
        pathlib.Path(folder, "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
        pathlib.Path(folder, "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}))
        return CLIPTokenizerFast.from_pretrained(folder)


def byte_letters():
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in own]
    return [chr(b) for b in own] + [chr(256 + i) for i in range(len(rest))]


def trained_merges(count=400):
    """BPE merges of generated sentences, with CLIP's end-of-word symbols."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    letters = byte_letters()
    trainer = trainers.BpeTrainer(
        vocab_size=2 * 256 + count, initial_alphabet=letters, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(sentences(3000, 7), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in merges]


def siglip2_pieces():
    """A BPE model like Gemma's: padding, end, beginning and unknown tokens first."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(s.replace("\0", "").replace("\n", " ").lower() for s in sentences(3000, 7)), model_writer=model,
        model_type="bpe", normalization_rule_name="identity", vocab_size=600, byte_fallback=True, add_dummy_prefix=False,
        remove_extra_whitespaces=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, character_coverage=0.98, minloglevel=2)
    return model.getvalue()


def siglip2_tokenizer(data):
    """transformers' tokenizer of SigLIP 2 with the pieces of a SentencePiece model, padded as published."""
    from transformers import Siglip2Tokenizer
    from transformers.tokenization_utils_base import generate_merges

    model = sentencepiece.SentencePieceProcessor(model_proto=data)
    vocabulary = {model.id_to_piece(i): i for i in range(model.get_piece_size())}
    scores = {piece: model.get_score(i) for piece, i in vocabulary.items() if not model.is_byte(i) and i > 3}
    merges = generate_merges(vocabulary, scores, skip_tokens=["<pad>", "<eos>", "<bos>", "<unk>"])
    names = {"<s>": "<bos>", "</s>": "<eos>"}
    vocabulary = {names.get(piece, piece): i for piece, i in vocabulary.items()}
    tokenizer = Siglip2Tokenizer(vocab=vocabulary, merges=merges, mask_token=None, padding_side="right")
    return lambda text: tokenizer(text, add_special_tokens=False)["input_ids"][:63] + [tokenizer.eos_token_id]


def pieces(kind):
    """A trained model: unigram like SigLIP's, or BPE with byte fallback like SigLIP 2's."""
    model = io.BytesIO()
    options = {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc", "vocab_size": 260} if kind == "unigram" else {
        "model_type": "bpe", "normalization_rule_name": "identity", "vocab_size": 600, "byte_fallback": True,
        "add_dummy_prefix": False, "remove_extra_whitespaces": False, "user_defined_symbols": ["\u2581\u2581", "[x]"]}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(s.replace("\0", "").replace("\n", " ") for s in sentences(3000, 7)), model_writer=model,
        character_coverage=0.98, minloglevel=2, **options)
    return model.getvalue()


def tokens(known):
    merges, models_ = known
    clip = clip_tokenizer(merges)
    texts = sentences(250)
    result = {"texts": texts, "clip": [clip(t, truncation=True, max_length=77)["input_ids"] for t in texts]}
    for kind, data in models_.items():
        model = sentencepiece.SentencePieceProcessor(model_proto=data)
        result[kind] = [model.encode(t.split("\0")[0]) for t in texts]
    peer = siglip2_tokenizer(siglip2_pieces())
    return result | {"siglip2": [peer(t) for t in texts]}


# MARK: features

PHRASES = ["a person rides a horse", "two dogs", "the ball falls", "ΟΔΟΣ привет 你好", "car's 1/2", "A"]


def value(name, shape, fan):
    """Like the initialisers of `TextTower`."""
    leaf = name.rsplit(".", 1)[1]
    if "norm" in name:
        return torch.from_numpy(around(name, shape, 1 if leaf == "weight" else 0, 0.2 if leaf == "weight" else 0.1))
    if "embed" in name:
        return torch.from_numpy(around(name, shape, 0, 0.1))
    return torch.from_numpy(around(name, shape, 0, 1 / np.sqrt(fan)))


def fill_hugging(model, width, layers, contexts, projection):
    """transformers' text towers with generated parameters."""
    own = dict(model.named_parameters())
    prefix = "text_model." if any(name.startswith("text_model.") for name in own) else ""
    head = "text_projection" if "text_projection.weight" in own else prefix + "head"
    with torch.no_grad():
        embedding = own[prefix + "embeddings.token_embedding.weight"]
        embedding.copy_(value("text.token_embedding.weight", tuple(embedding.shape), 1))
        own[prefix + "embeddings.position_embedding.weight"].copy_(value("text.pos_embed", (1, contexts, width), 1)[0])
        for leaf in ("weight", "bias"):
            own[f"{prefix}final_layer_norm.{leaf}"].copy_(value(f"text.norm.{leaf}", (width,), 1))
            if f"{head}.{leaf}" in own:
                own[f"{head}.{leaf}"].copy_(value(f"text.head.{leaf}", tuple(own[f"{head}.{leaf}"].shape), width))
        for block in range(layers):
            theirs, ours = f"{prefix}encoder.layers.{block}.", f"text.blocks.{block}."
            for leaf in ("weight", "bias"):
                whole = value(f"{ours}attn.qkv.{leaf}", (3 * width, width) if leaf == "weight" else (3 * width,), width)
                for part, rows in zip("qkv", whole.split(width)):
                    own[f"{theirs}self_attn.{part}_proj.{leaf}"].copy_(rows)
                for old, new, fan in (("layer_norm1", "norm1", 1), ("layer_norm2", "norm2", 1), ("self_attn.out_proj", "attn.proj", width),
                                      ("mlp.fc1", "mlp.fc1", width), ("mlp.fc2", "mlp.fc2", 4 * width)):
                    tensor = own[f"{theirs}{old}.{leaf}"]
                    tensor.copy_(value(f"{ours}{new}.{leaf}", tuple(tensor.shape), fan))
    return model.eval()


def clip_model(vocabulary, activation="quick_gelu"):
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=512, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=8, hidden_act=activation,
        projection_dim=512, bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1)
    return fill_hugging(CLIPTextModelWithProjection(config), 512, 12, 77, 512)


def siglip_model(vocabulary):
    from transformers import SiglipTextConfig, SiglipTextModel

    config = SiglipTextConfig(
        vocab_size=vocabulary, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
        max_position_embeddings=64, projection_size=768, hidden_act="gelu_pytorch_tanh")
    return fill_hugging(SiglipTextModel(config), 768, 12, 64, 768)


def open_clip_features(model, ids, vocabulary):
    """The same parameters in open_clip's model, through our mapping of its names."""
    import open_clip

    network = open_clip.CLIP(
        512, open_clip.model.CLIPVisionCfg(layers=1, width=64, head_width=32, patch_size=32, image_size=32),
        open_clip.model.CLIPTextCfg(context_length=77, vocab_size=vocabulary, width=512, heads=8, layers=12), quick_gelu=True).eval()
    own, theirs = dict(network.named_parameters()), dict(model.named_parameters())
    prefix = "text_model." if any(name.startswith("text_model.") for name in theirs) else ""
    with torch.no_grad():
        own["token_embedding.weight"].copy_(theirs[prefix + "embeddings.token_embedding.weight"])
        own["positional_embedding"].copy_(theirs[prefix + "embeddings.position_embedding.weight"])
        own["text_projection"].copy_(theirs["text_projection.weight"].T)
        for leaf in ("weight", "bias"):
            own[f"ln_final.{leaf}"].copy_(theirs[f"{prefix}final_layer_norm.{leaf}"])
            for block in range(12):
                a, b = f"transformer.resblocks.{block}.", f"{prefix}encoder.layers.{block}."
                own[f"{a}attn.in_proj_{leaf}"].copy_(torch.cat([theirs[f"{b}self_attn.{part}_proj.{leaf}"] for part in "qkv"]))
                for old, new in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("attn.out_proj", "self_attn.out_proj"),
                                 ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")):
                    own[f"{a}{old}.{leaf}"].copy_(theirs[f"{b}{new}.{leaf}"])
        padded = torch.zeros(len(ids), 77, dtype=torch.long)
        for row, own_ids in zip(padded, ids):
            row[: len(own_ids)] = torch.tensor(own_ids)
        return network.encode_text(padded)


def features(known):
    merges, models_ = known
    clip = clip_tokenizer(merges)
    vocabulary = 512 + len(merges) + 2
    ids = [clip(text)["input_ids"] for text in PHRASES]
    model = clip_model(vocabulary)
    with torch.no_grad():
        rows = torch.cat([model(torch.tensor([own])).text_embeds for own in ids])
        other = open_clip_features(model, ids, vocabulary)
    error = ((rows - other).abs().max() / rows.abs().max()).item()
    assert error < 1e-5, error
    print(f"CLIP: transformers and open_clip differ by {error:.1e}; phrases by {(rows[0] - rows[1]).abs().max() / rows.abs().max():.2f}")
    pieces_ = sentencepiece.SentencePieceProcessor(model_proto=models_["unigram"])
    size = pieces_.get_piece_size()
    tower = siglip_model(size)
    table = str.maketrans("", "", '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~')
    padded = []
    for text in PHRASES:
        own = pieces_.encode(" ".join(text.lower().translate(table).split()))[:63] + [pieces_.eos_id()]
        padded.append(own + [pieces_.eos_id()] * (64 - len(own)))
    with torch.no_grad():
        siglip = tower(torch.tensor(padded)).pooler_output
    print(f"SigLIP: phrases differ by {(siglip[0] - siglip[1]).abs().max() / siglip.abs().max():.2f}")
    pick = lambda rows: [[float(f"{v:.8g}") for v in row[::4]] for row in torch.nn.functional.normalize(rows, dim=-1).tolist()]
    return {"texts": PHRASES, "clip": pick(rows), "siglip": pick(siglip), "vocabulary": [vocabulary, size]}


def full(binary, count=10_000):
    """Tokens of many sentences with the published merges, which open_clip contains, and with models trained here."""
    import gzip
    import os
    import subprocess

    import open_clip

    source = os.path.join(os.path.dirname(open_clip.__file__), "bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.open(source).read().decode().split("\n")[: 49152 - 256 - 2 + 1]
    texts = sentences(count, 11) + ["horse " * 200, "é" * 300, ""]
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "texts.json").write_text(json.dumps(texts))
        pathlib.Path(folder, "merges.txt").write_text("\n".join(lines) + "\n")

        def ours(kind, vocabulary):
            command = [binary, "tokens", kind, f"{folder}/{vocabulary}", f"{folder}/texts.json"]
            return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        clip = clip_tokenizer([tuple(line.split(" ")) for line in lines[1:]])
        theirs = [clip(t, truncation=True, max_length=77)["input_ids"] for t in texts]
        own = ours("clip", "merges.txt")
        print(f"transformers: {sum(a == b for a, b in zip(own, theirs))} of {len(texts)} equal")
        peer = open_clip.SimpleTokenizer()
        rows = peer(texts)
        import ftfy

        # open_clip first fixes texts with ftfy, unlike the command, and lowercases a final sigma, unlike transformers.
        mended = [ftfy.fix_text(t) for t in texts]
        pathlib.Path(folder, "texts.json").write_text(json.dumps(mended))
        alike = [row[: len(mine)].tolist() == mine and not row[len(mine):].any() for row, mine in zip(rows, ours("clip", "merges.txt"))]
        pathlib.Path(folder, "texts.json").write_text(json.dumps(texts))
        kept = [a for a, t in zip(alike, mended) if t.lower() == "".join(map(str.lower, t))]
        print(f"open_clip: {sum(alike)} of {len(texts)} after ftfy; {sum(kept)} of the {len(kept)} without a final sigma")
        for kind in ("unigram", "bpe"):
            data = pieces(kind)
            pathlib.Path(folder, kind).write_bytes(data)
            model = sentencepiece.SentencePieceProcessor(model_proto=data)
            kept = [i for i, t in enumerate(texts) if "\0" not in t]
            own = ours("pieces", kind)
            print(f"SentencePiece {kind}: {sum(own[i] == model.encode(texts[i]) for i in kept)} of {len(kept)} equal")
        data = siglip2_pieces()
        pathlib.Path(folder, "siglip2").write_bytes(data)
        peer, own = siglip2_tokenizer(data), ours("siglip", "siglip2")
        unlike = [(t, a, peer(t)) for t, a in zip(texts, own) if a != peer(t)]
        print(f"SigLIP 2: {len(texts) - len(unlike)} of {len(texts)} equal", *unlike[:3], sep="\n" if unlike else "")


if __name__ == "__main__" and "--full" in sys.argv:
    full(sys.argv[2])
elif __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    merges = trained_merges()
    models_ = {kind: pieces(kind) for kind in ("unigram", "bpe")}
    (TARGET / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    for kind, data in (models_ | {"siglip2": siglip2_pieces()}).items():
        (TARGET / f"{kind}.model").write_bytes(data)
    (TARGET / "tokens.json").write_text(json.dumps(tokens((merges, models_)), ensure_ascii=True))
    (TARGET / "features.json").write_text(json.dumps(features((merges, models_)), ensure_ascii=True))
