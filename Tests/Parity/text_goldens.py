"""Tokens and text features of transformers, open_clip and SentencePiece → LanguageTests/Fixtures.

    python text_goldens.py                       # torch, transformers, open_clip, sentencepiece, tokenizers, numpy
    python text_goldens.py --full ZOETROPE       # 10,000 sentences and CLIP's published merges, compared now

Vocabularies are trained here on generated sentences, so that nothing of the publishers' is committed.
"""

import gzip
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

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
    """As transformers' fast tokenizer of CLIP is put together, with these merges."""
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
    """Pairs of a byte-pair encoding of generated sentences, with CLIP's ends of words."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    letters = byte_letters()
    trainer = trainers.BpeTrainer(
        vocab_size=2 * 256 + count, initial_alphabet=letters, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(sentences(3000, 7), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in merges]


def pieces(kind):
    """A trained model: unigram as SigLIP's is, or byte pairs that fall back to bytes as the second SigLIP's."""
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
    return result


if __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    merges = trained_merges()
    models_ = {kind: pieces(kind) for kind in ("unigram", "bpe")}
    (TARGET / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    for kind, data in models_.items():
        (TARGET / f"{kind}.model").write_bytes(data)
    (TARGET / "tokens.json").write_text(json.dumps(tokens((merges, models_)), ensure_ascii=True))
    print({kind: len(data) for kind, data in models_.items()}, len(merges))
