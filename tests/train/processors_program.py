"""A small study trained in this process, and the bits of every operation on the way, noted in a folder.

python processors_program.py FOLDER

The folder gets the records and `operations`: a line for each operation that torch ran, with a hash of what
came out of it. Latencies are not measured: how many passes they take is a matter of time.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.load import load_protocol
from rigorkd.records.expected import expected_hashes, start_files
from rigorkd.records.layout import StudyFolder
from rigorkd.train import cohort
from rigorkd.train.processor import has_avx2
from rigorkd.train.runtime import start_runtime
from rigorkd.train.task import Task

PROTOCOL = """
rigorkd: 1
study: processors
dataset: {name: synthetic, size: 32, classes: 10, images: 100, test_images: 40, split: {train: 72, val: 28}}
views:
  normalize: dataset
  train:
    - {random_crop: {padding: 2}}
    - random_resized_crop
    - horizontal_flip
    - {color_jitter: {brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.1}}
    - {rotation: 15}
training: {optimizer: {name: adamw, lr: 2e-3, weight_decay: 1e-4}, batch_size: 32, epochs: 1, clip_norm: 1.0}
teacher: {model: {name: cnn, channels: [32, 64], hidden: 64}, per_seed: true}
students:
  cnn: {model: {name: cnn, channels: [8, 16], hidden: 32, dropout: 0.2}}
  resnet: {model: cifar_resnet20}
  mobilenet: {model: mobilenet_v2}
groups:
  main: {students: [cnn], baseline: true, kd: {T: 4, alpha: 0.5}, dkd: {}, dist: {}}
  deep: {students: [resnet, mobilenet], kd: {T: 4, alpha: 0.5}}
  plain: {students: [cnn], optimizer: {name: sgd, lr: 0.1, momentum: 0.9}, kd: {T: 2, alpha: 0.9}}
seeds: 1
"""

NEVER_WRITTEN = ("empty", "aten.set_.")
"""In the names of operations that give memory as it was; views show it too, and compute nothing.

A deep copy first sets a tensor onto a storage that nothing has filled yet."""


class Operations(TorchDispatchMode):
    """Notes what comes out of every operation; of those that only change their arguments, the arguments."""

    def __init__(self, notes: TextIO) -> None:
        super().__init__()
        self.notes = notes

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        views = any(one.alias_info and not one.alias_info.is_write for one in func._schema.returns)
        if not views and not any(name in str(func) for name in NEVER_WRITTEN):
            noted = hashlib.sha256()
            shapes = []
            for each in tree_leaves(args if result is None else result):
                if isinstance(each, Tensor):
                    noted.update(each.detach().contiguous().numpy().tobytes())
                    shapes.append("x".join(map(str, each.shape)))
            self.notes.write(f"{func} {' '.join(shapes)} {noted.hexdigest()[:16]}\n")
        return result


def main(folder: Path) -> None:
    """Train every run of the protocol: teachers, then their cohorts."""
    runtime = start_runtime("cpu", "reference")
    if not has_avx2():
        print(runtime.dispatch)
        return
    assert runtime.dispatch == "AVX2", runtime.dispatch
    cohort.measure_latencies = lambda *arguments, **named: None  # type: ignore[assignment]
    folder.mkdir(parents=True)
    path = folder / "processors.yaml"
    path.write_text(PROTOCOL)
    protocol = load_protocol(path)
    expected = expected_hashes(protocol, (0,), "reference", start_files(protocol))
    study = StudyFolder(folder / "study")
    torch.manual_seed(0)
    with (folder / "operations").open("w") as notes, Operations(notes):
        tasks = [Task((want,), None) for want in expected.values() if want.run.cell.role == "teacher"]
        for together in cohorts(protocol.cells, (0,)):
            teacher = None if together.teacher is None else expected[together.teacher.name]
            runs = tuple(expected[run.name] for run in together.runs if run.cell.role == "student")
            tasks.append(Task(runs, teacher))
        for task in (task for task in tasks if task.runs):
            notes.write(f"task {' '.join(want.run.name for want in task.runs)}\n")
            cohort.train_cohort(task, study, runtime, _fail_loudly)


def _fail_loudly(event: Any) -> None:
    if hasattr(event, "reason"):
        raise RuntimeError(event.reason)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
