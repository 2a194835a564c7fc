"""What a smoke run would hide of the real one is said before it: what is missing, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rigorkd.errors import ProtocolError
from rigorkd.launch.rehearsal import done_without, rehearse
from rigorkd.protocol.load import Protocol, load_protocol

PROTOCOL = """\
rigorkd: 1
study: big
dataset: {name: cifar100, root: images, split: {val: 5000, seed: 1}}
views: {normalize: dataset}
training: {optimizer: {name: adamw, lr: 1e-3}, epochs: 2}
teacher: {model: {name: cnn, channels: [8, 8]}}
students:
  one: {model: {name: cnn, channels: [4, 4]}}
groups:
  main: {baseline: true, kd: {T: 4}}
"""
DIGITS = ("cifar100, root: images, split: {val: 5000", "digits, split: {train: 60, val: 20, test: 40")


def load(folder: Path, *changes: tuple[str, str], text: str = PROTOCOL) -> Protocol:
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "big.yaml").write_text(text)
    return load_protocol(folder / "big.yaml")


def test_data_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = "images/cifar-100-python/train"
    assert done_without(load(tmp_path)) == (f"cifar100: {file} is not there yet; `rigorkd run` needs it",)
    (note,) = done_without(load(tmp_path, ("root: images", "root: images, download: true")))
    assert note == f"cifar100: {file} is not there yet; `rigorkd run` downloads it"
    own = load(tmp_path, ("cifar100, root: images", "image_folder, root: mine"))
    assert any("mine/train is not there yet" in note for note in done_without(own))
    assert done_without(load(tmp_path, DIGITS)) == ()


def test_published_weights_that_would_be_downloaded_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    student = ("{name: cnn, channels: [4, 4]}}", "resnet18, start: imagenet1k_v1}")
    protocol = load(tmp_path, DIGITS, student)
    (note,) = done_without(protocol)
    assert note.startswith("resnet18, imagenet1k_v1: resnet18-")
    assert "downloads it" in note
    file = tmp_path / "cache" / "hub" / "checkpoints" / note.split()[2]
    file.parent.mkdir(parents=True)
    file.touch()
    assert done_without(protocol) == ()


def test_a_precision_that_this_machine_does_not_have_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    half = ("epochs: 2", "epochs: 2, precision: fp16")
    assert done_without(load(tmp_path, DIGITS, half)) == (
        "precision fp16 needs a GPU, and there is none here; smoke trains in fp32",
    )


COMMAND = """\
rigorkd: 1
study: mine
trainer:
  command: "no-such-trainer --seed {seed} --lr {lr} --out {out}"
  smoke: "python tiny.py --seed {seed} --out {out}"
  metrics: {accuracy: max}
  code: [big.yaml]
students: [small]
groups:
  main: {baseline: {lr: [1, 2]}}
"""


def test_the_program_of_the_real_command_is_looked_for(tmp_path: Path) -> None:
    protocol = load(tmp_path, text=COMMAND)
    assert done_without(protocol) == ("there is no program no-such-trainer here yet; `rigorkd run` needs it",)
    assert rehearse(protocol) == ()


def test_weights_that_do_not_fit_are_told_at_their_line(tmp_path: Path) -> None:
    """Smoke starts from random weights; a file that is there is tried all the same."""
    teacher = ("[8, 8]}}", "[8, 8]}, start: {path: there.safetensors}, train: false}")
    protocol = load(tmp_path, DIGITS, teacher)
    assert rehearse(protocol) == ()
    save_file({"head.weight": torch.zeros(3, 3)}, tmp_path / "there.safetensors")
    with pytest.raises(ProtocolError, match=r"there\.safetensors") as caught:
        rehearse(protocol)
    assert caught.value.line == 6


def test_networks_take_images_of_the_real_size(tmp_path: Path) -> None:
    large = ("normalize: dataset", "size: 96, normalize: dataset")
    (note,) = rehearse(load(tmp_path, large))
    assert note == "smoke trains on images of 32×32; the real run on 96×96, which the networks take"
    assert rehearse(load(tmp_path)) == ()
    tall = ("{name: cnn, channels: [8, 8]}", "{name: vit_b_16, args: {image_size: 64}}")
    with pytest.raises(ProtocolError, match="vit_b_16"):
        rehearse(load(tmp_path, large, tall))
