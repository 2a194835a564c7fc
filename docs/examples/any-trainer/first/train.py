"""A small network in plain numpy on two interleaved half circles, three in ten of whose labels are wrong."""

import argparse
import json
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, required=True)
parser.add_argument("--teacher", type=Path)
parser.add_argument("--alpha", type=float, default=1.0)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--out", type=Path, required=True)
asked = parser.parse_args()


def half_circles(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels, angle = np.arange(count) % 2, rng.uniform(0, np.pi, count)
    points = np.where(labels, [1 - np.cos(angle), 0.5 - np.sin(angle)], [np.cos(angle), np.sin(angle)]).T
    return points + rng.normal(0, 0.15, points.shape), labels


def predict(points: np.ndarray, net: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    hidden = np.tanh(points @ net["inner"] + net["shift"])
    return hidden, 1 / (1 + np.exp(-(hidden @ net["outer"] + net["bias"])))


rng = np.random.default_rng(asked.seed)
points, labels = half_circles(200, rng)
targets = np.where(rng.random(200) < 0.3, 1 - labels, labels).astype(float)
if asked.teacher:
    _, soft = predict(points, dict(np.load(asked.teacher / "net.npz")))
    targets = asked.alpha * targets + (1 - asked.alpha) * soft
net = {
    "inner": rng.normal(0, 2, (2, asked.width)),
    "shift": rng.normal(0, 1, asked.width),
    "outer": rng.normal(0, 0.1, asked.width),
    "bias": np.zeros(()),
}
for _ in range(1000):
    hidden, found = predict(points, net)
    error = (found - targets) / len(points)
    back = np.outer(error, net["outer"]) * (1 - hidden**2)
    net["outer"] = net["outer"] - 0.5 * hidden.T @ error
    net["bias"] = net["bias"] - 0.5 * error.sum()
    net["inner"] = net["inner"] - 0.5 * points.T @ back
    net["shift"] = net["shift"] - 0.5 * back.sum(0)
test_points, test_labels = half_circles(4000, np.random.default_rng(2026))
accuracy = 100 * float(np.mean((predict(test_points, net)[1] > 0.5) == test_labels))
np.savez(asked.out / "net.npz", **net)
(asked.out / "metrics.json").write_text(json.dumps({"accuracy": accuracy}))
