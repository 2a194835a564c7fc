"""Several processes for one run: together they take the step that one process takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rigorkd.train.distributed import ALONE, Distributed

PROGRAM = Path(__file__).parent / "distributed_program.py"
Steps = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Steps]]:
    """What every process of one, and of two, made of the same batches."""
    folder = tmp_path_factory.mktemp("distributed")
    subprocess.run([sys.executable, PROGRAM, folder], timeout=120, check=True)
    return {
        count: [torch.load(folder / f"{count}-{rank}.pt", weights_only=True) for rank in range(count)]
        for count in (1, 2)
    }


@pytest.mark.parametrize(
    "method",
    ["baseline", "kd", "learned temperature", "relations within the batch", "projected features"],
)
def test_loss_gradients_and_weights_are_those_of_one_process(
    steps: dict[int, list[Steps]], method: str
) -> None:
    (alone,) = steps[1]
    for together in steps[2]:
        assert together[method].keys() == alone[method].keys()
        for name, value in together[method].items():
            torch.testing.assert_close(value, alone[method][name], rtol=1e-9, atol=1e-12, msg=f"{name}")


def test_the_processes_agree_to_the_last_bit(steps: dict[int, list[Steps]]) -> None:
    first, second = steps[2]
    for method, values in first.items():
        for name, value in values.items():
            assert torch.equal(value, second[method][name]), f"{method}: {name}"


@given(st.integers(1, 40), st.integers(1, 6))
def test_shares_cover_a_batch_in_order(rows: int, count: int) -> None:
    batch = torch.arange(rows)
    shares = [Distributed(rank, count).share(batch) for rank in range(count)]
    if rows < count:
        assert all(torch.equal(share, batch) for share in shares)
    else:
        assert torch.equal(torch.cat(shares), batch)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(0, 2**63 - 1), st.integers(2, 8))
def test_no_two_processes_drop_alike(seed: int, count: int) -> None:
    seeds = {Distributed(rank, count).step_seed(seed) for rank in range(count)}
    assert len(seeds) == count
    assert all(0 <= each < 2**63 for each in seeds)


def test_alone_nothing_changes() -> None:
    batch = torch.randn(3, 2)
    model = torch.nn.BatchNorm1d(2)
    assert ALONE.share(batch) is batch
    assert ALONE.gather(batch, 3) is batch
    assert ALONE.agree(batch) is batch
    assert ALONE.prepare(model) is model
    assert ALONE.step_seed(7) == 7
