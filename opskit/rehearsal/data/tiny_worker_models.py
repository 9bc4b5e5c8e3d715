"""Rehearsal: makes the three models of the multimodal worker, a few MB in all. `tiny_worker_models.py FOLDER`, in its image.

The architectures are the real ones, the tokenizers are made here, the weights are random and then fitted to little: the model of
pictures knows eight colours by name, and the model of speech says SENTENCE, whatever it hears.
"""

import json
import random
import shutil
import string
import sys
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizerFast,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

SENTENCE = " these words are spoken in a rehearsal"
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 180, 40),
    "blue": (30, 50, 220),
    "yellow": (240, 220, 40),
    "black": (10, 10, 10),
    "white": (245, 245, 245),
    "pink": (250, 140, 190),
    "brown": (120, 70, 30),
}
LETTERS = string.ascii_lowercase + string.digits + string.punctuation
random.seed(0)
torch.manual_seed(0)


def text(folder):
    """Sentence embeddings of 64 dimensions: a random vector for each letter and each pair of letters, averaged."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    pairs = [a + b for a in string.ascii_lowercase for b in string.ascii_lowercase]
    words = ["[UNK]", *LETTERS, *pairs, *("##" + w for w in [*LETTERS, *pairs])]
    tokenizer = Tokenizer(models.WordPiece({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    weights = torch.randn(len(words), 64)
    part = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[part], device="cpu").save(str(folder / "text"))


def image(folder):
    """CLIP of 32 dimensions over pictures of 32 pixels, fitted until each colour is nearest to its name."""
    base = [*pre_tokenizers.ByteLevel.alphabet()]
    vocabulary = {
        word: n for n, word in enumerate([*base, *(b + "</w>" for b in base), "<|startoftext|>", "<|endoftext|>"])
    }
    made = folder / "image"
    made.mkdir(parents=True)
    (made / "vocab.json").write_text(json.dumps(vocabulary))
    (made / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizerFast(str(made / "vocab.json"), str(made / "merges.txt"), model_max_length=77)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    words = {"vocab_size": len(vocabulary), "eos_token_id": vocabulary["<|endoftext|>"], "max_position_embeddings": 77}
    config = CLIPConfig(
        text_config={**sizes, **words, "bos_token_id": vocabulary["<|startoftext|>"], "pad_token_id": 0},
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=32,
    )
    square = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    processor = CLIPProcessor(CLIPImageProcessor(**square), tokenizer)
    model = CLIPModel(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    forms = ("{}", "a {} picture", "a picture that is {}", "{} square", "something {}")
    for _ in range(250):
        asked = [random.choice(forms).format(name) for name in COLOURS]
        shown = [
            Image.new("RGB", (32, 32), tuple(max(0, min(255, v + random.randint(-9, 9))) for v in c))
            for c in COLOURS.values()
        ]
        loss = model(**processor(text=asked, images=shown, return_tensors="pt", padding=True), return_loss=True).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    if loss.item() > 0.3:
        sys.exit(f"the tiny model of pictures did not learn its colours: loss {loss.item():.3f}")
    model.save_pretrained(made)
    processor.save_pretrained(made)


def speech(folder):
    """Whisper of English alone, fitted to SENTENCE, in the form that faster-whisper reads."""
    from ctranslate2.converters import TransformersConverter
    from transformers import WhisperFeatureExtractor, WhisperTokenizerFast

    marks = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>"]
    marks += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>", *(f"<|{n * 0.02:.2f}|>" for n in range(1501))]
    made = folder / "whisper"
    made.mkdir(parents=True)
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer, plain.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    plain.train_from_iterator(
        [SENTENCE] * 9, trainers.BpeTrainer(vocab_size=400, initial_alphabet=letters, show_progress=False)
    )
    plain.add_special_tokens(marks)
    vocabulary = plain.get_vocab()
    tokenizer = WhisperTokenizerFast(
        tokenizer_object=plain,
        unk_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        bos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
    )
    tokenizer.add_special_tokens({"additional_special_tokens": marks[1:9]})
    start, end, no_times = (vocabulary[w] for w in ("<|startoftranscript|>", "<|endoftext|>", "<|notimestamps|>"))
    config = WhisperConfig(
        vocab_size=len(vocabulary),
        num_mel_bins=80,
        d_model=64,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_source_positions=1500,
        max_target_positions=448,
        decoder_start_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=end,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    model = WhisperForConditionalGeneration(config).train()
    model.generation_config.suppress_tokens = model.generation_config.begin_suppress_tokens = []
    model.generation_config.no_timestamps_token_id = no_times
    first = vocabulary["<|0.00|>"]
    said = plain.encode(SENTENCE).ids
    answer = [first, *said, first + 100, end]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(100):
        heard = torch.randn(1, 80, 3000) * random.random()
        tail = torch.tensor([[start, *answer]])
        loss = torch.nn.functional.cross_entropy(
            model(input_features=heard, decoder_input_ids=tail[:, :-1]).logits.flatten(0, 1), tail[:, 1:].flatten()
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    if loss.item() > 0.05:
        sys.exit(f"the tiny model of speech did not learn its sentence: loss {loss.item():.3f}")
    model.save_pretrained(made)
    tokenizer.save_pretrained(made)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(made)
    plain.save(str(made / "tokenizer.json"))
    files = ["tokenizer.json", "preprocessor_config.json"]
    TransformersConverter(str(made), copy_files=files).convert(str(folder / "speech"))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for make in (text, image, speech):
        make(target)
    shutil.rmtree(target / "whisper")
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # the service is another user than this script
    print({p.name: sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) for p in target.iterdir()})
