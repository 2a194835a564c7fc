"""The fused resampling against the operations that it replaces: the paper's view, without a model."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from clock import interleave, quartiles, ratios, seconds_of
from cohorts import dataset, paper_views
from settings import Settings
from table import Table

from rigorkd.data.loading import load
from rigorkd.data.operations import ColorJitter, FusedGeometry, Views
from rigorkd.data.views import View, build_view


def fused(settings: Settings) -> Iterator[Table]:
    """Milliseconds of one batch through both views, and their ratio; alone, and with colours."""
    rows, values = [], []
    sizes = {64: settings.batch, settings.paper_size: settings.paper_batch}
    for size, batch in sizes.items():
        for colours in (False, True):
            settings.note(f"{size}²{', with colours' * colours}")
            seconds = _measure(settings, size, batch, colours=colours)
            chain, one = (
                1e3 / settings.steps * quartiles(seconds[name]).median for name in ("chain", "fused")
            )
            ratio = ratios(seconds["chain"], seconds["fused"])
            what = "with colours and normalisation" if colours else "geometry alone"
            rows.append(
                (f"{size}², batch {batch}", what, f"{chain:.2f}", f"{one:.2f}", ratio.text(2), str(ratio.n))
            )
            values.append(
                {
                    "size": size,
                    "batch": batch,
                    "view": what,
                    "chain_ms": chain,
                    "fused_ms": one,
                    "ratio": ratio.median,
                }
            )
    columns = ("size", "view", "chain ms", "fused ms", "chain / fused (quartiles)", "n")
    notes = (
        "chain: resize, random resized crop, flip, rotation; from 32² images; the view of docs/views.md, "
        "which is another transform and so another run",
    )
    yield Table("fused", "one resampling instead of four", columns, tuple(rows), tuple(values), notes)


def _measure(settings: Settings, size: int, batch: int, *, colours: bool) -> dict[str, list[float]]:
    chain = paper_views(size)
    crop, flip, jitter, turn = chain.train
    one = FusedGeometry(op="fused_geometry", scale=(0.8, 1.0), degrees=15)
    assert isinstance(jitter, ColorJitter)
    written = {"chain": (crop, flip, *[jitter] * colours, turn), "fused": (one, *[jitter] * colours)}
    normalize = chain.normalize if colours else "none"
    data = load(dataset(batch), 0)
    device = settings.runtime.device
    images = data.train.images[torch.arange(batch)].to(device)

    def view(name: str) -> View:
        views = Views.model_validate({"size": size, "normalize": normalize, "train": written[name]})
        return build_view(views, data.shape, train=True)

    batches = 1 if settings.quick else 20

    def timed(seen: View, draws: torch.Tensor) -> float:
        def work() -> None:
            for _ in range(batches):
                seen(images, draws)

        return seconds_of(work, device) / batches

    variants = {}
    for name in written:
        seen = view(name)
        draws = torch.rand(batch, seen.columns, device=device)
        variants[name] = lambda seen=seen, draws=draws: timed(seen, draws)
        variants[name]()
    return interleave(variants, settings.rounds, settings.note)
