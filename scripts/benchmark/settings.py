"""How large each benchmark is: for a CPU, for a GPU, and `--quick`, which only shows that all of it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rigorkd.train.runtime import Runtime


@dataclass(frozen=True)
class Settings:
    """What every benchmark is given. Batches and steps are per student; sizes are image sides in pixels."""

    runtime: Runtime
    precision: str
    quick: bool
    note: Callable[[str], None]
    rounds: int
    batch: int
    steps: int
    """Steps timed per variant and round."""
    paper_size: int = 128
    paper_batch: int = 128
    """The view and the batch of the paper's protocol; the batch is smaller where a CPU would take hours."""
    memory_batch: int = 128
    sharing_sizes: tuple[int, ...] = (2, 4, 8)
    students: tuple[str, ...] = ("mobilenet_v2", "shufflenet_v2_x1_0")
    teacher: str = "resnet50"
    epochs: tuple[int, int] = (4, 3)
    """Epochs of the main group and of the ablation in `peers`: the paper's 40 and 30, scaled."""
    train_images: int = 1280
    val_images: int = 128
    test_images: int = 256


def settings_for(
    runtime: Runtime, *, precision: str, quick: bool, rounds: int | None, note: Callable[[str], None]
) -> Settings:
    """The settings of a device."""
    gpu = runtime.device.type == "cuda"
    base = Settings(
        runtime=runtime,
        precision=precision,
        quick=quick,
        note=note,
        rounds=rounds or (3 if gpu else 5),
        batch=128 if gpu else 32,
        steps=10 if gpu else 2,
    )
    if gpu:  # the PIL loops take most of ten minutes otherwise
        base = replace(base, train_images=512, val_images=128, test_images=128)
    else:
        base = replace(base, paper_batch=16, train_images=16, val_images=8, test_images=8)
    if quick:
        return replace(
            base,
            rounds=rounds or 1,
            batch=4,
            steps=1,
            paper_size=32,
            paper_batch=4,
            memory_batch=4,
            sharing_sizes=(2,),
            students=("shufflenet_v2_x1_0",),
            teacher="resnet18",
            epochs=(1, 1),
            train_images=8,
            val_images=4,
            test_images=4,
        )
    return base
