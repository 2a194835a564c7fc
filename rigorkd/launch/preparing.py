"""Data got ready before anything else, in sight of the user: a first decoding can take minutes."""

from __future__ import annotations

from rich.console import Console

from rigorkd.data.dataset import Dataset
from rigorkd.data.decoded import ImageFiles
from rigorkd.text import count


def prepare_images(dataset: Dataset, console: Console) -> None:
    """Decode image files, before whose reading nobody knows what the runs are trained on.

    Raises:
        InputError: see `Dataset.prepare`.
    """
    if isinstance(dataset, ImageFiles):
        prepare_data(dataset, console)


def prepare_data(dataset: Dataset, console: Console) -> None:
    """Download and decode what is missing of a data set, showing how far it is.

    Raises:
        InputError: see `Dataset.prepare`.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{dataset.name}: decoding", total=None, visible=False)

        def watch(done: int, total: int) -> None:
            if done == 1:
                images = count(total, "image")
                console.print(f"{dataset.name}: decoding {images}, this once", highlight=False)
            bar.update(task, completed=done, total=total, visible=True)

        dataset.prepare(watch)
