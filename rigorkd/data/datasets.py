"""The data sets that rigorkd has. Everything that lists data sets takes them from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union, get_args

from pydantic import Field

from rigorkd.data.arrays import Arrays
from rigorkd.data.cars import Cars
from rigorkd.data.cifar import Cifar10, Cifar100
from rigorkd.data.dataset import Dataset
from rigorkd.data.digits import Digits
from rigorkd.data.huggingface import HuggingFace
from rigorkd.data.image_folder import ImageFolder
from rigorkd.data.pets import Pets
from rigorkd.data.synthetic import Synthetic
from rigorkd.data.tiny_imagenet import TinyImageNet

DATASETS: dict[str, type[Dataset]] = {
    get_args(dataset.model_fields["name"].annotation)[0]: dataset
    for dataset in (
        Digits,
        Cifar10,
        Cifar100,
        Synthetic,
        Pets,
        Cars,
        TinyImageNet,
        ImageFolder,
        Arrays,
        HuggingFace,
    )
}
"""By name."""

if TYPE_CHECKING:
    AnyDataset = Dataset
else:
    # Any of them, told apart by its name.
    AnyDataset = Annotated[Union[tuple(DATASETS.values())], Field(discriminator="name")]  # noqa: UP007
