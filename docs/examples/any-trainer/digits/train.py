"""A plain PyTorch script: a small network on handwritten digits, with or without a teacher."""

import argparse
import csv
import json
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, required=True)
parser.add_argument("--teacher", type=Path)
parser.add_argument("--T", type=float, default=1.0)
parser.add_argument("--alpha", type=float, default=1.0)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--device", default="cpu")
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--out", type=Path, required=True)
asked = parser.parse_args()
torch.manual_seed(asked.seed)


def network(width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10)).to(asked.device)


with as_file(files("rigorkd.data") / "digits.npz") as path, np.load(path) as data:
    images = torch.tensor(data["levels"].reshape(len(data["labels"]), 64) / 16.0, dtype=torch.float32)
    labels = torch.tensor(data["labels"], dtype=torch.long)
order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))  # one split for all
train, test = order[:300].to(asked.device), order[900:].to(asked.device)
images, labels = images.to(asked.device), labels.to(asked.device)

teacher = None
if asked.teacher:
    state = torch.load(asked.teacher / "model.pt", weights_only=True)
    teacher = network(len(state["1.weight"]))
    teacher.load_state_dict(state)
student = network(asked.width)
optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
history = []
for epoch in range(asked.epochs):
    losses = []
    for batch in train[torch.randperm(len(train))].split(50):
        logits = student(images[batch])
        loss = F.cross_entropy(logits, labels[batch])
        if teacher is not None:
            with torch.no_grad():
                soft = F.log_softmax(teacher(images[batch]) / asked.T, 1)
            own = F.log_softmax(logits / asked.T, 1)
            term = F.kl_div(own, soft, reduction="batchmean", log_target=True) * asked.T**2
            loss = asked.alpha * loss + (1 - asked.alpha) * term
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    history.append({"epoch": epoch + 1, "train_loss": sum(losses) / len(losses)})
    print(f"epoch {epoch + 1}: {history[-1]['train_loss']:.4f}")

with torch.no_grad():
    logits = student(images[test])
prediction, target = logits.argmax(1).tolist(), labels[test].tolist()
accuracy = 100 * sum(a == b for a, b in zip(prediction, target, strict=True)) / len(target)
torch.save(student.state_dict(), asked.out / "model.pt")
for name, rows in (
    ("history.csv", history),
    ("predictions.csv", [{"target": t, "prediction": p} for t, p in zip(target, prediction, strict=True)]),
):
    with (asked.out / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
loss = F.cross_entropy(logits, labels[test]).item()
(asked.out / "metrics.json").write_text(json.dumps({"accuracy": accuracy, "loss": loss}))
