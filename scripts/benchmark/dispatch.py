"""What it costs that all processors are held to the same instructions (docs/running.md).

\b
    python scripts/benchmark/dispatch.py             a table, in Markdown
    python scripts/benchmark/dispatch.py --rounds 1  that it runs

A training step of each network under engine numerics 2, by the same step under 1, where this processor
chooses. Each is a process of its own, since the choice is made once; they take turns. One thread, process
time, ratios within a round, medians with quartiles over the rounds.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from multiprocessing.connection import Connection

import click
import numpy as np
import torch
from torch.nn import functional as F

from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.train.runtime import start_runtime

NETWORKS: dict[str, tuple[dict[str, object], int, int, int]] = {
    "digits: cnn8, 8²": ({"name": "cnn", "channels": (8, 8)}, 8, 64, 100),
    "digits: teacher, 8²": ({"name": "cnn", "channels": (32, 64), "hidden": 64}, 8, 64, 50),
    "cifar_resnet20, 32²": ({"name": "cifar_resnet20"}, 32, 32, 5),
    "resnet18_cifar, 32²": ({"name": "resnet18_cifar"}, 32, 32, 1),
    "mobilenet_v2, 64²": ({"name": "mobilenet_v2"}, 64, 32, 2),
    "shufflenet_v2_x1_0, 64²": ({"name": "shufflenet_v2_x1_0"}, 64, 32, 3),
    "resnet50, 64²": ({"name": "resnet50"}, 64, 16, 1),
    "vit_tiny_patch16_224, 64²": ({"name": "timm/vit_tiny_patch16_224"}, 64, 32, 2),
}
"""By name: the model, its image's side, the batch, the steps of a round."""


def serve(engine: int, name: str, pipe: Connection) -> None:
    """A process of one variant: a round at every word, and its processor seconds as the answer."""
    start_runtime("cpu", "reference", {"engine": engine})
    written, side, batch, steps = NETWORKS[name]
    model = build(Model.model_validate(written), classes=100, channels=3, size=side, seed=0)
    images, labels = torch.randn(batch, 3, side, side), torch.randint(100, (batch,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    while pipe.recv():
        begun = time.process_time()
        for _ in range(steps):
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
        pipe.send((time.process_time() - begun) / steps)


def ratios(name: str, rounds: int) -> tuple[list[float], float]:
    """The ratio of every round, and the median seconds of a step under the processor's own choice."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for engine in (1, 2):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(engine, name, theirs), daemon=True))
        processes[-1].start()
        pipes.append(ours)
    found = []
    for number in range(rounds + 1):  # the first warms up
        seconds = {}
        for at in (0, 1) if number % 2 else (1, 0):
            pipes[at].send(True)
            seconds[at] = float(pipes[at].recv())
        found.append(seconds)
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(False)
        process.join()
    own = float(np.median([seconds[0] for seconds in found[1:]]))
    return [seconds[1] / seconds[0] for seconds in found[1:]], own


@click.command(help=__doc__)
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(list(NETWORKS)), help="Repeatable; default: all.")
@click.option("--json", "as_json", is_flag=True, help="The ratios of every round instead.")
def main(rounds: int, only: tuple[str, ...], as_json: bool) -> None:
    found = {name: ratios(name, rounds) for name in only or NETWORKS}
    if as_json:
        click.echo(json.dumps({name: each for name, (each, _) in found.items()}))
        return
    rows = ["| training step | fixed / own (quartiles) | own ms | n |", "|---|---|---|---|"]
    for name, (each, own) in found.items():
        low, middle, high = np.quantile(each, (0.25, 0.5, 0.75))
        rows.append(f"| {name} | {middle:.2f} ({low:.2f}–{high:.2f}) | {1000 * own:.1f} | {rounds} |")
    click.echo("\n".join(rows))


if __name__ == "__main__":
    main()
