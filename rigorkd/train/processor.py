"""The processor: how all of them are held to the same instructions, and what is known of their bits.

Torch, oneDNN and MKL choose their code by what the processor offers and by who made it, and each choice sums
and rounds otherwise. In `reference` mode on a CPU a worker fixes the choice before it computes anything, from
engine numerics 2 on; a study that began under 1 goes on as in version 0.1, whose bits were the machine's own.

Nothing here imports torch: its libraries read the environment when they first compute, and never again.
"""

from __future__ import annotations

import importlib
import os

import numpy as np

from rigorkd.protocol.hashes import Numerics, number

AVX2 = "AVX2"
NEEDED = (AVX2, "FMA3")
"""What torch's AVX2 code asks of a processor, in numpy's words."""

FIXED = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": AVX2,  # convolutions
}
"""For processors that have AVX2: torch obeys without a look, and on others would end with its first step."""

FIXED_EVERYWHERE = {
    # Matrix products, and exp, log, erf and the like. MKL honours AVX2 here on Intel's processors only, and
    # silently takes another way on others; COMPATIBLE is the one choice that it makes on all.
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
}

UNSET = ("MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "DNNL_MAX_CPU_ISA", "DNNL_DEFAULT_FPMATH_MODE")
"""Other ways to move the same choices."""

SEEN_EQUAL = (
    "AMD EPYC of family 25 with AVX-512",
    "Intel Haswell, emulated",
    "Intel Skylake, emulated",
    "AMD EPYC-Rome, emulated",
)
"""Processors on which fixed dispatch was seen to give equal bits: `tests/train/test_processors.py` looks."""


def has_avx2() -> bool:
    """Whether this processor runs AVX2 code, by its own word: of an emulated one the system knows nothing."""
    package = "numpy._core" if np.__version__.partition(".")[0] != "1" else "numpy.core"
    features: dict[str, bool] = importlib.import_module(f"{package}._multiarray_umath").__cpu_features__
    return all(features.get(name, False) for name in NEEDED)


def fixes_dispatch(device: str, mode: str, numerics: Numerics) -> bool:
    """Whether a process that computes so is held to the instructions that all processors share."""
    return device == "cpu" and mode == "reference" and number(numerics, "engine") > 1


def fix_dispatch(device: str, mode: str, numerics: Numerics) -> None:
    """Fix what this process and its children compute with, if it is to be fixed; before anything is computed.

    Torch may be imported by then, as long as no operation has run.
    """
    if not fixes_dispatch(device, mode, numerics):
        return
    for name in (*UNSET, *FIXED):
        os.environ.pop(name, None)
    os.environ.update(FIXED_EVERYWHERE | (FIXED if has_avx2() else {}))


def dispatch(capability: str, *, fixed: bool) -> str:
    """For the record: what torch says that it uses, if it was not fixed with that: `AVX512, not fixed`."""
    if capability == AVX2 and fixed:
        return AVX2
    return f"{capability}, less than {AVX2}" if fixed and not has_avx2() else f"{capability}, not fixed"
