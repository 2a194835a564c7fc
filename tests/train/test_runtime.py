"""The training process is what its arguments say, whatever the environment holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from rigorkd.errors import InputError
from rigorkd.train.runtime import Runtime, generators_of, start_runtime

CODE = """
import json, os, sys
from accelerate.state import AcceleratorState
from rigorkd.train.runtime import start_runtime
bare = dict(os.environ)
for variables in json.loads(sys.argv[1]):
    os.environ.clear()
    os.environ.update({**bare, **variables})
    runtime = start_runtime("cpu", "reference")
    accelerator = runtime.accelerator("fp32")
    found = accelerator.num_processes, accelerator.distributed_type.value, accelerator.mixed_precision
    print(accelerator.gradient_accumulation_steps, *found, "torch._inductor" in sys.modules)
    AcceleratorState._reset_state(reset_partial_state=True)
import torch._inductor.config as config
print(config.deterministic)
"""


@pytest.mark.slow
def test_a_foreign_environment_changes_nothing_and_a_compiler_imported_later_is_deterministic(
    tmp_path: Path,
) -> None:
    """`torch.use_deterministic_algorithms` would tell the compiler, and import it for that."""
    foreign = [
        {"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4", "ACCELERATE_MIXED_PRECISION": "bf16"},
        {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"},
        {"ACCELERATE_USE_FSDP": "true"},
    ]
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(foreign)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == ["1 1 NO no False"] * len(foreign) + ["True"], done.stderr


def test_on_a_gpu_the_host_is_seeded_in_every_step_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some models draw on the host wherever they compute (LayerDrop of transformers, say)."""
    theirs = torch.Generator()
    monkeypatch.setattr(torch.cuda, "default_generators", (torch.Generator(), theirs))
    assert generators_of(torch.device("cuda:1")) == (theirs, torch.default_generator)
    assert generators_of(torch.device("cpu")) == (torch.default_generator,)


def test_memory_that_holds_copies_of_files_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set that was just read fills what else is free; cohorts are not to be split for that."""
    shown = psutil.virtual_memory()._replace(free=1, available=10**9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: shown)
    assert Runtime(torch.device("cpu"), "reference", 1).memory_bytes() == 10**9


def test_without_a_c_compiler_fast_mode_on_a_gpu_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else every run would fail by itself, in its first step."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(InputError, match="C compiler"):
        start_runtime("cuda", "fast")


def test_a_small_study_imports_nothing_that_it_does_not_use() -> None:
    """Neither torch's compiler nor torchvision: each takes longer to import than small networks to train."""
    program = Path(__file__).with_name("lean_program.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stdout + done.stderr
