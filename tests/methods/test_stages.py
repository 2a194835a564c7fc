"""Layers that are named by stage: which layers of two networks they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rigorkd.errors import ProtocolError
from rigorkd.methods.at import AT
from rigorkd.methods.feature import Feature, Layered
from rigorkd.methods.sp import SP
from rigorkd.models.model import CIFAR_NETWORKS
from rigorkd.protocol.load import Protocol, load_protocol


def between(layers: tuple[str, ...], student: str, teacher: str) -> list[str]:
    method: Layered = AT(layers=layers)
    return [str(layer) for layer in method.between(student, teacher).layers]


@pytest.mark.parametrize(
    ("student", "teacher", "stages"),
    [
        ("resnet8x4", "resnet32x4", ["layer1", "layer2", "layer3"]),
        ("wrn_40_1", "wrn_40_2", ["block1", "block2", "block3"]),
        ("ShuffleV1", "wrn_40_2", ["layer1.block1", "layer2.block2", "layer3.block3"]),
        ("vgg8", "vgg13_cifar", ["relu1", "relu2", "relu3", "relu4"]),
        (
            *("MobileNetV2", "ResNet50"),
            ["blocks.1.layer1", "blocks.2.layer2", "blocks.4.layer3", "blocks.6.layer4"],
        ),
        ("resnet20", "ResNet50", ["layer1.layer2", "layer2.layer3", "layer3.layer4"]),
    ],
)
def test_the_stages_that_both_networks_have(student: str, teacher: str, stages: list[str]) -> None:
    assert between(("stages",), student, teacher) == stages
    assert between(("last_stage",), student, teacher) == stages[-1:]
    assert between(("stage2", "stage1"), student, teacher) == [stages[1], stages[0]]
    assert between(("conv1", "last_stage"), student, teacher) == ["conv1", stages[-1]]


def test_other_layers_and_settings_are_left_as_they_are() -> None:
    method = Feature(layers=("layer1", "fc"), cosine=0.0)
    assert method.between("cnn", "cnn") is method
    found = SP(layers=("stages",), kd_weight=7.0, ce_weight=2.0).between("resnet8", "resnet20")
    assert (found.kd_weight, found.ce_weight) == (7.0, 2.0)
    for name in CIFAR_NETWORKS:
        assert len(between(("stages",), name, name)) in (3, 4)


@pytest.mark.parametrize(
    ("student", "layer", "message"),
    [
        ("cnn", "stages", "the stages of cnn are not known here: name layers"),
        ("resnet20", "stage4", "resnet20 and resnet32 have 3 stages in common, not 4"),
    ],
)
def test_stages_that_are_not_there(student: str, layer: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        between((layer,), student, "resnet32")


PROTOCOL = """\
rigorkd: 1
study: stages
dataset: {name: synthetic, split: {val: 100}}
training: {optimizer: {name: sgd, lr: 0.1}, epochs: 2}
teacher: {model: TEACHER}
students: {small: {model: resnet8}}
groups:
  main: {baseline: true, at: [{layers: [stages]}, {layers: [layer1, layer2]}], sp: {layers: [last_stage]}}
"""


@pytest.fixture
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Protocol]:
    def written(teacher: str) -> Protocol:
        path = tmp_path_factory.mktemp("stages") / "stages.yaml"
        path.write_text(PROTOCOL.replace("TEACHER", teacher))
        return load_protocol(path)

    return written


def test_a_cell_is_named_by_stage_and_is_its_layers(load: Callable[[str], Protocol]) -> None:
    cells = {cell.name: cell.method for cell in load("wrn_16_1").cells if cell.role == "student"}
    assert list(cells) == [
        "main/small/baseline",
        "main/small/at-stages",
        "main/small/at-layer1_layer2",
        "main/small/sp-last_stage",
    ]
    assert cells["main/small/at-stages"].pairs()[0] == ("layer1", "block1")
    assert cells["main/small/sp-last_stage"].pairs() == (("layer3", "block3"),)


def test_a_network_of_unknown_stages_is_told_at_its_line(load: Callable[[str], Protocol]) -> None:
    with pytest.raises(ProtocolError, match=r":8:40: the stages of cnn are not known here: name layers"):
        load("cnn")
