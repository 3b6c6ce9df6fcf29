"""Trains the tokenizer on captions: unigram, byte fallback, IMGn/RESn as special tokens.

    inlay data captions --count 40000 --seed 1 > captions.txt
    python tokenizer.py captions.txt --size 1536 --out tokenizer.json
"""

import argparse
import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPECIAL = ["<pad>", "</s>", "<unk>"] + [f"IMG{i}" for i in range(1, 9)] + [f"RES{i}" for i in range(1, 5)]


def build(lines, size):
    """A tokenizer of at most `size` entries: specials, 256 bytes, then pieces learned from `lines`."""
    normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    learner = Tokenizer(models.Unigram())
    learner.normalizer = normalizer
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    words = (" ".join(w for w in line.split() if w.strip(".,;:'s") not in SPECIAL) for line in lines)
    learner.train_from_iterator(
        words,
        trainers.UnigramTrainer(
            vocab_size=max(64, size - len(SPECIAL) - 256), unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
        ),
    )
    pieces = [(p, s) for p, s in json.loads(learner.to_str())["model"]["vocab"] if p != "<unk>"]
    low = min(s for _, s in pieces) - 10
    vocab = [(s, 0.0) for s in SPECIAL] + [(f"<0x{i:02X}>", low) for i in range(256)]
    vocab += pieces[: size - len(vocab)]
    t = Tokenizer(models.Unigram(vocab, unk_id=2, byte_fallback=True))
    t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    t.add_special_tokens([AddedToken(s, single_word=s[:3] in ("IMG", "RES"), special=True) for s in SPECIAL])
    return t


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("captions")
    p.add_argument("--size", type=int, default=1536)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    t = build(open(a.captions, encoding="utf-8").read().splitlines(), a.size)
    t.save(a.out)
    probe = "With reference object; static scenario. Put the red chair of IMG2 next to IMG1's table — naïve 漢字."
    e = t.encode(probe)
    print(t.get_vocab_size(), e.tokens)
    assert t.token_to_id("IMG1") == 3 and t.token_to_id("RES4") == 14
