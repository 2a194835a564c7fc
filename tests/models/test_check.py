"""Models and weights from outside are tried before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rigorkd.errors import ProtocolError
from rigorkd.models import custom
from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.protocol.load import load_protocol
from rigorkd.protocol.requirements import comes_from_outside
from rigorkd.protocol.smoke import smoke
from rigorkd.train.model_check import check_models

Check = Callable[..., tuple[str, ...]]

PROTOCOL = """\
rigorkd: 1
study: tried
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
views: {size: 32, normalize: imagenet}
training: {optimizer: {name: adamw, lr: 1e-2}, epochs: 2}
teacher:
  model: cnn
  size: 16
students:
  one: {model: cnn}
starts: {warm: {from: random}}
groups:
  main: {start: [random, warm], baseline: true, kd: true}
"""

NETS = """\
import itertools
import random

import torch
from torch import nn

counter = itertools.count()


class Auxiliary(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.first = nn.Linear(3 * 32 * 32, classes)

    def forward(self, images):
        logits = self.first(images.flatten(1))
        return (logits, logits) if self.training else logits


def tied(classes, channels, size):
    model = Auxiliary(classes)
    model.second = nn.Linear(3 * 32 * 32, classes)
    model.second.weight = model.first.weight
    return model


class Careless(Auxiliary):
    def forward(self, images):
        return self.first(images.sub_(0.5).flatten(1))


class Broken(Auxiliary):
    def forward(self, images):
        return self.second(images.flatten(1))


class Noisy(Auxiliary):
    def forward(self, images):
        scale = random.random() if self.training else 1.0
        return self.first(images.flatten(1) * scale)


class Dropping(Auxiliary):
    # Draws from torch's generator, and keeps what a step changes in a buffer: as it should be.
    def __init__(self, classes):
        super().__init__(classes)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, images):
        if self.training:
            self.steps += 1
        return self.first(nn.functional.dropout(images.flatten(1), 0.5, self.training)) * self.steps


def careless(classes, channels, size):
    return Careless(classes)


def broken(classes, channels, size):
    return Broken(classes)


def noisy(classes, channels, size):
    return Noisy(classes)


def dropping(classes, channels, size):
    return Dropping(classes)


def auxiliary(classes, channels, size):
    return Auxiliary(classes)


def drifting(classes, channels, size):
    model = Auxiliary(classes)
    nn.init.constant_(model.first.bias, next(counter))
    return model


def frozen(classes, channels, size):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, classes)).requires_grad_(False)


def good(classes, channels, size):
    assert (classes, channels, size) == (10, 3, 32)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, classes))


def fixed(classes, channels, size):
    torch.manual_seed(0)
    return good(classes, channels, size)


def lazy(classes, channels, size):
    return nn.Sequential(nn.LazyConv2d(4, 3, stride=4), nn.Flatten(), nn.LazyLinear(classes))


def softmax(classes, channels, size):
    return nn.Sequential(good(classes, channels, size), nn.Softmax(1))


def log_softmax(classes, channels, size):
    return nn.Sequential(good(classes, channels, size), nn.LogSoftmax(1))
"""


@pytest.fixture
def check(tmp_path: Path) -> Iterator[Check]:
    """Check the protocol with replacements, in a folder with nets.py."""
    (tmp_path / "nets.py").write_text(NETS)

    def check_changed(*changes: tuple[str, str]) -> tuple[str, ...]:
        text = PROTOCOL
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / "tried.yaml"
        path.write_text(text)
        protocol = load_protocol(path)
        return check_models(protocol, protocol.cells)

    yield check_changed
    custom._forget()
    custom._functions.clear()


STUDENT = "one: {model: cnn}"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("good", ""),
        ("log_softmax", ""),
        ("lazy", ""),
        ("fixed", "model nets:fixed starts from the same weights at every seed"),
        (
            "softmax",
            "model nets:softmax answers with probabilities, which sum to 1, where losses take logits",
        ),
    ],
)
def test_what_is_rarely_meant_is_said_once(check: Check, function: str, said: str) -> None:
    found = check((STUDENT, f"one: {{model: 'nets:{function}'}}"))
    assert len(found) == bool(said)
    assert all(one.startswith(said) for one in found)


@pytest.mark.parametrize(
    ("student", "place", "words"),
    [
        ('one: {model: "nets:tied"}', "10:16", "first.weight and second.weight share their memory"),
        ('one: {model: "nets:auxiliary"}', "10:16", "in train mode it answers 2 images with tuple"),
        (
            'one: {model: "nets:drifting"}',
            "10:16",
            "first.bias differs between two builds from the same seed",
        ),
        ('one: {model: "nets:careless"}', "10:16", "it changes the images that it is given"),
        ('one: {model: "nets:broken"}', "10:16", "AttributeError: 'Broken' object has no attribute 'second'"),
        ('one: {model: "nets:noisy"}', "10:16", "answers the same images differently from the same seed"),
        ('one: {model: "nets:frozen"}', "10:16", "no parameter to train"),
        ("one: {model: timm/resnet81}", "10:16", "has no model 'resnet81'"),
        ("one: {model: {name: timm/resnet10t, args: {wings: 2}}}", "10:23", "wings"),
    ],
)
def test_a_model_that_cannot_be_trained_is_told_at_its_line(
    check: Check, student: str, place: str, words: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        check((STUDENT, student))
    assert f"tried.yaml:{place}: " in caught.value.message
    assert words in caught.value.message


def test_a_good_model_is_shown_what_training_will_show(check: Check) -> None:
    check((STUDENT, 'one: {model: "nets:good"}'))
    check((STUDENT, 'one: {model: "nets:dropping"}'))


def test_a_teacher_is_tried_at_its_own_size(check: Check) -> None:
    check(("model: cnn\n  size: 16", "model: timm/resnet10t\n  size: 64"))
    with pytest.raises(ProtocolError, match=r"tried\.yaml:7:10: .* 16×16 pixels"):
        check(("model: cnn\n  size: 16", "model: timm/convnext_atto\n  size: 16"))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (STUDENT, "one: {model: resnet18, start: pretrained}", 10),
        ("start: [random, warm]", "start: [random, pretrained]", 13),
        ("{from: random}", "{from: pretrained}", 11),
        ("model: cnn\n", "model: timm/resnet10t\n  start: pretrained\n", 8),
    ],
)
def test_weights_that_are_nowhere_are_told_at_their_line(
    check: Check,
    hub_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    line: int,
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(hub_cache))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    changes = [(old, new)]
    if "start: [" not in new:
        changes.append(("start: [random, warm], ", "start: warm, " if "from" in new else ""))
    if "model" not in new:
        changes.append((STUDENT, "one: {model: resnet18}"))
    with pytest.raises(ProtocolError) as caught:
        check(*changes)
    assert f"tried.yaml:{line}:" in caught.value.message
    assert "cannot be downloaded" in caught.value.message


def test_a_file_that_does_not_fit_is_told_at_its_line(check: Check, tmp_path: Path) -> None:
    model = build(Model(name="cnn"), classes=10, channels=3, size=32, seed=0)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    check((STUDENT, "one: {model: cnn, start: {path: weights.safetensors}}"), ("start: [random, warm], ", ""))
    with pytest.raises(ProtocolError, match=r"tried\.yaml:10:.*do not fit the model"):
        check(
            (STUDENT, "one: {model: cifar_resnet20, start: {path: weights.safetensors}}"),
            ("start: [random, warm], ", ""),
        )


def test_what_rigorkd_builds_itself_is_not_tried(tmp_path: Path) -> None:
    path = tmp_path / "tried.yaml"
    path.write_text(
        PROTOCOL.replace("start: [random, warm]", "start: [random, warm, imagenet1k_v1]").replace(
            STUDENT, "one: {model: resnet18}"
        )
    )
    protocol = load_protocol(path)
    outside = {cell.name for cell in protocol.cells if comes_from_outside(cell)}
    assert outside == {"main/one/baseline-imagenet1k_v1", "main/one/kd-T4-a0.5-imagenet1k_v1"}
    assert not any(comes_from_outside(cell) for cell in smoke(protocol).cells)
