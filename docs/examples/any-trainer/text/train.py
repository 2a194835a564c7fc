"""Text distillation with Hugging Face's Trainer: which package of the standard library is a sentence about?

The sentences are the docstrings of Python's own library, so that nothing is downloaded. Teacher and student
are BERTs of two sizes, from random weights.
"""

import argparse
import ast
import json
import re
import sysconfig
import zlib
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)

PACKAGES = ("asyncio", "email", "unittest", "multiprocessing", "xml")
WORDS, LENGTH = 4096, 32

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, required=True)
parser.add_argument("--layers", type=int, default=1)
parser.add_argument("--teacher")
parser.add_argument("--T", type=float, default=1.0)
parser.add_argument("--alpha", type=float, default=1.0)
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--out", type=Path, required=True)
asked = parser.parse_args()
set_seed(asked.seed)


def sentences(package: str) -> list[str]:
    """The sentences of a package's docstrings, without its own name, which would give it away."""
    found = []
    for file in sorted((Path(sysconfig.get_path("stdlib")) / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8", errors="replace"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = re.sub(rf"(?i){package}", " ", ast.get_docstring(node) or "")
                found += [part for part in re.split(r"(?<=[.!?])\s", text) if len(part.split()) > 4]
    return list(dict.fromkeys(found))


def encoded(text: str) -> list[int]:
    """Words as numbers, by a hash that is the same everywhere; 0 fills up, 1 begins."""
    words = re.findall(r"[a-z]+", text.lower())[: LENGTH - 1]
    ids = [1, *(2 + zlib.crc32(word.encode()) % (WORDS - 2) for word in words)]
    return ids + [0] * (LENGTH - len(ids))


examples = [(encoded(text), label) for label, name in enumerate(PACKAGES) for text in sentences(name)[:400]]
order = np.random.default_rng(1).permutation(len(examples))  # one split for all
rows = [
    {
        "input_ids": examples[i][0],
        "attention_mask": [int(x > 0) for x in examples[i][0]],
        "labels": examples[i][1],
    }
    for i in order
]
cut = len(rows) * 2 // 3


class Distiller(Trainer):
    """Adds the teacher's soft targets to the loss."""

    teacher = None

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        outputs = model(**inputs)
        loss = F.cross_entropy(outputs.logits, inputs["labels"])
        if self.teacher is not None and model.training:
            with torch.no_grad():
                soft = F.log_softmax(self.teacher(**inputs).logits / asked.T, 1)
            own = F.log_softmax(outputs.logits / asked.T, 1)
            term = F.kl_div(own, soft, reduction="batchmean", log_target=True) * asked.T**2
            loss = asked.alpha * loss + (1 - asked.alpha) * term
        return (loss, outputs) if return_outputs else loss


config = BertConfig(
    vocab_size=WORDS,
    hidden_size=asked.size,
    num_hidden_layers=asked.layers,
    num_attention_heads=2,
    intermediate_size=2 * asked.size,
    max_position_embeddings=LENGTH,
    num_labels=len(PACKAGES),
)
trainer = Distiller(
    BertForSequenceClassification(config),
    TrainingArguments(
        output_dir=str(asked.out / "trainer"),
        max_steps=asked.steps,
        per_device_train_batch_size=32,
        learning_rate=1e-3,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=asked.seed,
        use_cpu=not torch.cuda.is_available(),
    ),
    train_dataset=rows[:cut],
)
if asked.teacher:
    trainer.teacher = AutoModelForSequenceClassification.from_pretrained(asked.teacher).to(
        trainer.args.device
    )
    trainer.teacher.eval()
trainer.train()
trainer.model.save_pretrained(asked.out)
logits = trainer.predict(rows[cut:]).predictions
prediction, target = logits.argmax(1), np.array([row["labels"] for row in rows[cut:]])
np.savez(asked.out / "predictions.npz", target=target, prediction=prediction)
accuracy = 100 * float((prediction == target).mean())
(asked.out / "metrics.json").write_text(json.dumps({"accuracy": accuracy}))
