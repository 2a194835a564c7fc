"""Getting a data set ready before anything is trained: download, decode, check that the split fits.

    prepare(dataset, watch)     once, before any worker; afterwards `data_checksum` is the true one

Only data sets that lie in files need it. Nothing here imports torch unless something must be downloaded.
"""

from __future__ import annotations

import logging

from rigorkd.data.decoded import Watch, ensure_decoded
from rigorkd.data.layouts import folder_of
from rigorkd.data.splits import draw_split
from rigorkd.protocol.facts import facts
from rigorkd.protocol.schema import Cifar10, Cifar100, Dataset, Decoded

_log = logging.getLogger("rigorkd.data")


def prepare(dataset: Dataset, watch: Watch | None = None) -> None:
    """Make sure that the files of a data set are there and decoded, downloading if the protocol says so.

    `watch` is told the progress of a decoding, which can take minutes.

    Raises:
        InputError: files are missing or damaged and cannot be had, or the split asks for more images than
            there are.
    """
    if isinstance(dataset, Cifar10 | Cifar100):
        from rigorkd.data.cifar import prepare_cifar

        prepare_cifar(dataset)
    elif isinstance(dataset, Decoded):
        note = ensure_decoded(dataset, watch)
        labels, test_labels = note.pool_labels, note.own_test_labels
        draw_split(dataset.split, labels, test_labels, seed=0)
        known = facts(dataset)
        found = (len(labels), 0 if test_labels is None else len(test_labels))
        if known is not None and found != (known.images, known.test_images):
            _log.warning(
                "%s: not the published %s: %s + %s images instead of %s + %s",
                *(folder_of(dataset), known.title, *found, known.images, known.test_images),
            )
