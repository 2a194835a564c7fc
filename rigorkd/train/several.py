"""What several processes on a CPU cannot train: models with BatchNorm, whose statistics they would not share.

Each process would normalise with the statistics of its own share, and so train another network than one
process does. On GPUs PyTorch synchronises them; its SyncBatchNorm does not run on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from rigorkd.problems import Problem
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.load import Protocol, model_location
from rigorkd.train.preflight import network_of


def batchnorm_problems(protocol: Protocol, cells: Iterable[Cell]) -> list[Problem]:
    """The models with BatchNorm among the cells that several processes are to train, each once."""
    problems = {}
    for cell in cells:
        place = model_location(cell, protocol.spec)
        processes = cell.training.processes_per_run
        if processes > 1 and place not in problems and has_batchnorm(network_of(protocol, cell, cell.views)):
            problems[place] = Problem(
                place,
                f"{cell.model.name} has BatchNorm; {processes} processes on a CPU cannot share statistics",
                "train on GPUs, with processes_per_run: 1, or a model without BatchNorm",
            )
    return list(problems.values())


def has_batchnorm(network: nn.Module) -> bool:
    """Whether the statistics of a batch are part of what the network computes."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())
