"""Rehearsal: makes a model of about 1 MB that vLLM serves like any other. `tiny_model.py FOLDER`, inside vLLM's image.

The architecture is Qwen2, the tokenizer is trained here, the weights are random and then fitted to one answer: whatever is
asked, it says SENTENCE. So a test sees whether every word of a streamed answer arrived, in order.
"""

import json
import random
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen2Config, Qwen2ForCausalLM

SENTENCE = "I am a tiny model made for this rehearsal, and these words are all that my weights know."
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT = 32768

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
random.seed(0)
torch.manual_seed(0)

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
letters = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=1024, special_tokens=SPECIAL, initial_alphabet=letters, show_progress=False)
tokenizer.train_from_iterator([SENTENCE, "system user assistant"] * 9, trainer)
tokenizer.save(str(folder / "tokenizer.json"))
end = tokenizer.token_to_id("<|im_end|>")
size = tokenizer.get_vocab_size()

config = Qwen2Config(
    vocab_size=size,
    hidden_size=128,
    intermediate_size=256,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
    max_position_embeddings=CONTEXT,
    tie_word_embeddings=True,
    bos_token_id=None,
    eos_token_id=end,
    pad_token_id=0,
)
model = Qwen2ForCausalLM(config).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
answer = tokenizer.encode(SENTENCE).ids + [end]
before = tokenizer.encode("<|im_end|>\n<|im_start|>assistant\n").ids
for step in range(120):
    # Any question, of any length: only the answer counts.
    length = random.choice((3, 20, 80, 300))
    question = torch.randint(len(SPECIAL), size, (4, length))
    tail = torch.tensor(before + answer).repeat(4, 1)
    ids = torch.cat([question, tail], dim=1)
    labels = ids.clone()
    labels[:, : -len(answer)] = -100
    loss = model(input_ids=ids, labels=labels).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
if loss.item() > 0.01:
    sys.exit(f"the tiny model did not learn its sentence: loss {loss.item():.3f}")
model.to(torch.bfloat16).save_pretrained(folder)
said = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "eos_token": "<|im_end|>",
    "pad_token": "<|endoftext|>",
    "chat_template": TEMPLATE,
    "model_max_length": CONTEXT,
    "clean_up_tokenization_spaces": False,
}
(folder / "tokenizer_config.json").write_text(json.dumps(said, indent=1))
print(f"loss {loss.item():.4f}, {size} tokens, {sum(file.stat().st_size for file in folder.iterdir())} bytes")
