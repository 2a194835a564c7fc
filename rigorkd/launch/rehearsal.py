"""What a smoke run would hide of the real one: said before it starts, so that it is no surprise later.

Smoke trains on synthetic data, from random weights, on small images. What the real run needs and this machine
does not have is named; what it has is tried at its real size, as the real run would.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from rigorkd.data.huggingface import HuggingFace
from rigorkd.data.image_files import PublishedFiles
from rigorkd.extras import EXTRAS, is_installed
from rigorkd.launch.command_run import program
from rigorkd.launch.own_data import own_data
from rigorkd.methods.own import Own
from rigorkd.models.model import PathStart, is_foreign_model, is_hub_model
from rigorkd.models.own_code import has_source
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.load import Protocol, protocol_error
from rigorkd.protocol.requirements import comes_from_outside, needs_preflight
from rigorkd.protocol.smoke import replaced_models, smoke
from rigorkd.protocol.trainer_spec import CommandSpec


def done_without(protocol: Protocol) -> tuple[str, ...]:
    """What the real run of a protocol needs, and smoke does without: data, weights, packages, devices."""
    if isinstance(protocol.spec, CommandSpec):
        return tuple(dict.fromkeys(_programs(protocol)))
    return (
        *_data(protocol),
        *_hub_models(protocol),
        *_start_files(protocol),
        *_published_weights(protocol.cells),
        *_devices(protocol.cells),
    )


def rehearse(protocol: Protocol) -> tuple[str, ...]:
    """Try what is there of the real run at its real size, training nothing; says what smoke shows smaller.

    Models are built for the real images and classes, files of weights are loaded, layers and terms looked at,
    own images read through.

    Raises:
        InputError: as the real run would: weights, layers or sizes do not fit, or images are damaged.
    """
    if isinstance(protocol.spec, CommandSpec) or protocol.smoke:
        return ()
    small = smoke(protocol)
    shrunk = {cell.name: _side(cell) for cell in small.cells}
    larger = sorted({_side(cell) for cell in protocol.cells if _side(cell) > shrunk.get(cell.name, 1 << 30)})
    dataset = protocol.spec.dataset
    tried: tuple[str, ...] = ()
    if dataset.info is not None or not dataset.absent():
        tried = _try(protocol, [cell for cell in protocol.cells if _is_there(protocol, cell)], set(larger))
    own = own_data(protocol, protocol.cells, through=True)
    doubts = (*tried, *(() if own is None else own.warnings()))
    if not larger:
        return doubts
    sizes = " and ".join(f"{side}×{side}" for side in larger)
    most = max(shrunk.values())
    return (
        *doubts,
        f"smoke trains on images of {most}×{most}; the real run on {sizes}, which the networks take",
    )


def refuse_unfit(protocol: Protocol, cells: Iterable[Cell]) -> None:
    """What methods need of networks and of terms of the user's own, looked at where that can be done here.

    A protocol alone does not tell it. Networks are built for it, and code of the user's own is executed.

    Raises:
        InputError: as a run would: with file, line, what is wrong and what there is.
    """
    wanted = [
        cell
        for cell in cells
        if cell.trainer is None
        and (cell.method.needs_features or isinstance(cell.method, Own))
        and _is_there(protocol, cell)
    ]
    if not wanted or protocol.spec.dataset.looked_at() is None or not is_installed("torch"):
        return
    from rigorkd.train.preflight import preflight

    if problems := preflight(protocol, wanted):
        raise protocol_error(problems, protocol.path, protocol.tree)


def left_to_look_at(cells: Iterable[Cell]) -> Iterator[str]:
    """That nobody knows yet whether networks have the layers that are compared, or terms fit their keys.

    Not of layers that somebody named for networks of libraries: who wrote them has looked.
    """
    found: dict[str, str] = {}
    for cell in cells:
        method = cell.method
        if cell.trainer is not None or not (method.needs_features or isinstance(method, Own)):
            continue
        if isinstance(method, Own) or "layers" not in method.model_fields_set or has_source(cell.model.name):
            layers = [layer for layer, _ in method.pairs()] if method.needs_features else []
            listed = f" ({', '.join(layers)})" if layers else ""
            found[method.key] = f"{method.key}{listed}"
    if found:
        yield (
            f"whether the networks have what {', '.join(found.values())} compare{'s' * (len(found) == 1)} is "
            "looked at when `rigorkd run` starts, before anything is trained, or by --measure"
        )


def _try(protocol: Protocol, cells: list[Cell], larger: set[int]) -> tuple[str, ...]:
    doubts: tuple[str, ...] = ()
    wanted = [cell for cell in cells if needs_preflight(cell) or _side(cell) in larger]
    if outside := [_from_here(cell) for cell in cells if comes_from_outside(cell)]:
        from rigorkd.train.model_check import check_models

        doubts = check_models(protocol, outside)
    if wanted:
        from rigorkd.train.preflight import preflight

        if problems := preflight(protocol, wanted, every_model=True):
            raise protocol_error(problems, protocol.path, protocol.tree)
    return doubts


def _is_there(protocol: Protocol, cell: Cell) -> bool:
    """Whether a cell, and the teacher that it learns from, can be looked at without a network."""
    names = [cell.teacher] if cell.method.distils and cell.teacher else []
    teachers = [protocol.cell(name) for name in names]
    members = [protocol.cell(member.cell) for teacher in teachers for member in teacher.members]
    return all(
        not is_hub_model(one.model.name)
        and not (isinstance(one.start, PathStart) and not _place(protocol, one.start).exists())
        for one in (cell, *teachers, *members)
    )


def _from_here(cell: Cell) -> Cell:
    """The cell without published weights, which would have to be downloaded."""
    return cell if isinstance(cell.start, PathStart) else replace(cell, start="random")


def _side(cell: Cell) -> int:
    return cell.size or cell.views.size or cell.dataset.side


def _place(protocol: Protocol, start: PathStart) -> Path:
    return protocol.path.parent / Path(start.path).expanduser()


def _data(protocol: Protocol) -> Iterator[str]:
    dataset = protocol.spec.dataset
    if isinstance(dataset, HuggingFace):
        yield from _packages("datasets")
    if absent := dataset.absent():
        fetched = isinstance(dataset, PublishedFiles | HuggingFace) and dataset.download
        does = "downloads it" if fetched else "needs it"
        yield f"{dataset.name}: {absent} is not there yet; `rigorkd run` {does}"


def _hub_models(protocol: Protocol) -> Iterator[str]:
    """The models that only the Hugging Face hub knows, and the package that builds them."""
    names = replaced_models(protocol)
    for name in names:
        yield f"{name} is on the Hugging Face hub; smoke trains the small cnn instead, the real run needs it"
    if names:
        yield from _packages("hf")


def _packages(extra: str) -> Iterator[str]:
    for package, module in EXTRAS[extra].items():
        if not is_installed(module):
            yield f"the package {package} is not installed; `rigorkd run` needs it: rigorkd[{extra}]"


def _start_files(protocol: Protocol) -> Iterator[str]:
    starts = dict.fromkeys(cell.start for cell in protocol.cells if isinstance(cell.start, PathStart))
    for start in starts:
        if not _place(protocol, start).exists():
            yield f"{start.path} is not there yet; `rigorkd run` needs it"


def _published_weights(cells: Iterable[Cell]) -> Iterator[str]:
    """Published weights that lie in no cache of this machine."""
    wanted = dict.fromkeys(
        (cell.model.name, cell.start)
        for cell in cells
        if isinstance(cell.start, str) and cell.start != "random" and cell.start_cell is None
    )
    for name, tag in wanted:
        if is_foreign_model(name):
            continue  # of timm and the hub only their own caches know
        from rigorkd.models.torchvision_models import imagenet_file

        file = imagenet_file(name, str(tag))
        if not file.exists():
            yield f"{name}, {tag}: {file.name} is not in {file.parent} yet; `rigorkd run` downloads it"


def _devices(cells: Iterable[Cell]) -> Iterator[str]:
    if shutil.which("nvidia-smi") is None and any(cell.training.precision == "fp16" for cell in cells):
        yield "precision fp16 needs a GPU, and there is none here; smoke trains in fp32"


def _programs(protocol: Protocol) -> Iterator[str]:
    """The programs of the real commands, where smoke runs other ones."""
    folder = protocol.path.parent.absolute()
    for cell in protocol.cells:
        by = cell.trainer
        if by is None or by.trainer.function is not None:
            continue
        words, more = by.filled({})
        if program(words[0], folder, more.get("PATH", os.environ.get("PATH", ""))) is None:
            yield f"there is no program {words[0]} here yet; `rigorkd run` needs it"
