"""Mistakes of a newcomer: one message each, with line and column, whose mend works when it is followed.

What a message offers (`did you mean 'x'?`) is put by the test where it points. Where the mend is said
in words, the table has what a reader of these words would write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from rigorkd.errors import ProtocolError
from rigorkd.protocol.load import load_protocol
from rigorkd.protocol.schema import Spec

PROTOCOL = """\
rigorkd: 1
study: mine
dataset: {name: digits, split: {train: 600, val: 397, test: 800, seed: 1}}
views: {normalize: dataset, train: [horizontal_flip]}
training:
  optimizer: {name: adamw, lr: 1e-3}
  schedule: cosine
  batch_size: 64
  epochs: 5
teacher: {model: resnet34_cifar}
students:
  small: {model: {name: cnn, channels: [4, 8]}}
groups:
  main:
    baseline: true
    kd: {T: [1, 4], alpha: 0.5}
seeds: 5
analysis:
  metric: test_top1
  sesoi: 1.0
  contrasts:
    - [main/small/kd-T4-a0.5, main/small/kd-T1-a0.5]
"""

DIGITS = "digits, split: {train: 600, val: 397, test: 800, seed: 1}"
OWN = "image_folder, root: pictures, split: {val: 10, test: 20}"


@dataclass(frozen=True)
class Slip:
    """What was written for which part, where the message points, what it says; what mends it, if in words."""

    right: str
    wrong: str
    line: int
    column: int
    says: str
    mend: str | None = None


SLIPS = {
    "a key misspelt": Slip("epochs: 5", "epoch: 5", 9, 3, "unknown key 'epoch'"),
    "students in a list": Slip(
        "small: {model: {name: cnn, channels: [4, 8]}}",
        "- ResNet20",
        12,
        3,
        "write students: {resnet20: ResNet20}",
        "small: resnet20",
    ),
    "groups with dashes": Slip(
        "  main:\n    baseline: true\n",
        "  - main:\n    baseline: true\n",
        14,
        3,
        "the keys of groups stand below it without dashes",
        "  main:\n    baseline: true\n",
    ),
    "a share of the images in percent": Slip(
        "val: 397", "val: 20%", 3, 50, "write how many images, not which share", "val: 397"
    ),
    "the name of another tool": Slip("T: [1, 4]", "temperature: [1, 4]", 16, 10, "did you mean 'T'"),
    "another tool's batch": Slip("batch_size: 64", "bs: 64", 8, 3, "did you mean 'batch_size'"),
    "learning rate": Slip("lr: 1e-3", "learning_rate: 1e-3", 6, 28, "did you mean 'lr'"),
    "one student": Slip("students:", "student:", 11, 1, "did you mean 'students'"),
    "lr in the wrong place": Slip(
        "  epochs: 5", "  epochs: 5\n  lr: 1e-3", 10, 3, "lr belongs under training.optimizer", "  epochs: 5"
    ),
    "lr of a teacher": Slip(
        "teacher: {model: resnet34_cifar}",
        "teacher: {model: resnet34_cifar, lr: 3e-3}",
        10,
        34,
        "optimizer is written whole here, such as optimizer: {name: adamw, lr: 0.003}",
        "teacher: {model: resnet34_cifar, optimizer: {name: adamw, lr: 0.003}}",
    ),
    "training of a teacher": Slip(
        "teacher: {model: resnet34_cifar}",
        "teacher: {model: resnet34_cifar, training: {epochs: 3}}",
        10,
        34,
        "what stands below training is written here without it: epochs",
        "teacher: {model: resnet34_cifar, epochs: 3}",
    ),
    "momentum of a group": Slip(
        "    baseline: true\n",
        "    baseline: true\n    momentum: 0.9\n",
        16,
        5,
        "optimizer is written whole here, such as optimizer: {name: sgd, momentum: 0.9}",
        "    baseline: true\n",
    ),
    "epochs at the top": Slip(
        "  epochs: 5\n", "epochs: 5\n", 9, 1, "epochs belongs under training", "  epochs: 5\n"
    ),
    "seeds in the analysis": Slip(
        "seeds: 5\nanalysis:\n",
        "analysis:\n  seeds: 5\n",
        18,
        3,
        "seeds belongs at the top, not indented",
        "seeds: 5\nanalysis:\n",
    ),
    "too little indentation": Slip(
        "  batch_size: 64",
        " batch_size: 64",
        8,
        2,
        "the keys of one mapping begin in one column",
        "  batch_size: 64",
    ),
    "too much indentation": Slip(
        "  batch_size: 64",
        "    batch_size: 64",
        8,
        15,
        "the keys of one mapping begin in one column",
        "  batch_size: 64",
    ),
    "a tab": Slip(
        "  batch_size: 64", "\tbatch_size: 64", 8, 1, "YAML indents with spaces", "  batch_size: 64"
    ),
    "no space after the colon": Slip("  epochs: 5", "  epochs:5", 9, 3, "a colon and a space", "  epochs: 5"),
    "a key twice": Slip("  epochs: 5", "  epochs: 5\n  epochs: 9", 10, 3, "keep one of them", "  epochs: 5"),
    "an environment variable": Slip(
        "name: digits, split: {train: 600, val: 397, test: 800, seed: 1}",
        "name: cifar10, root: $DATA/cifar, split: {val: 5000, seed: 1}",
        3,
        32,
        "write the place itself; ~ is your home folder",
        "name: cifar10, root: ~/cifar, split: {val: 5000, seed: 1}",
    ),
    "a path of Windows": Slip(
        "name: digits, split: {train: 600, val: 397, test: 800, seed: 1}",
        'name: cifar10, root: "C:\\data", split: {val: 5000, seed: 1}',
        3,
        36,
        "write single quotes",
        "name: cifar10, root: 'C:\\data', split: {val: 5000, seed: 1}",
    ),
    "the library's own path": Slip(
        "resnet34_cifar", "torchvision.models.resnet34", 10, 18, "did you mean 'resnet34'"
    ),
    "a function with a dot": Slip("resnet34_cifar", "my_nets.make", 10, 18, "did you mean 'my_nets:make'"),
    "a model by its library": Slip(
        "resnet34_cifar", "torchvision/resnet34", 10, 18, "did you mean 'resnet34'"
    ),
    "a model by its module": Slip(
        "resnet34_cifar", "'torchvision.models:resnet34'", 10, 18, "did you mean 'resnet34'"
    ),
    "a model in another spelling": Slip("resnet34_cifar", "ResNet-34", 10, 18, "did you mean 'resnet34'"),
    "weights that do not exist": Slip(
        "{model: resnet34_cifar}",
        "{model: resnet34, start: imagenet}",
        10,
        35,
        "did you mean 'pretrained'",
    ),
    "pretrained: true": Slip(
        "{model: resnet34_cifar}",
        "{model: resnet34, pretrained: imagenet1k_v1}",
        10,
        28,
        "did you mean 'start'",
    ),
    "a data set in another spelling": Slip(
        "name: digits, split: {train: 600, val: 397, test: 800, seed: 1}",
        "name: CIFAR-10, split: {val: 5000, seed: 1}",
        3,
        17,
        "did you mean 'cifar10'",
    ),
    "an operation by another name": Slip("horizontal_flip", "random_horizontal_flip", 4, 37, "did you mean"),
    "an optimizer by another name": Slip("adamw, lr", "Adam-W, lr", 6, 21, "did you mean 'adamw'"),
    "a contrast of a cell that is not there": Slip(
        "kd-T4-a0.5, ", "kd-T4-a0.9, ", 22, 8, "did you mean 'main/small/kd-T4-a0.5'"
    ),
    "a contrast without its group": Slip(
        "[main/small/kd-T4-a0.5", "[small/kd-T4-a0.5", 22, 8, "did you mean 'main/small/kd-T4-a0.5'"
    ),
    "a metric by another name": Slip("test_top1", "accuracy", 19, 11, "did you mean 'test_top1'"),
    "percent as text": Slip("sesoi: 1.0", "sesoi: 1%", 20, 10, "sesoi must be a number", "sesoi: 1"),
    "a percentage for a weight": Slip(
        "alpha: 0.5", "alpha: 50", 16, 28, "alpha must be at most 1", "alpha: 0.5"
    ),
    "a number in quotes": Slip(
        "lr: 1e-3", "lr: '1e-3'", 6, 32, "lr must be a number, not the text", "lr: 1e-3"
    ),
    "seeds as a range of another kind": Slip(
        "seeds: 5", "seeds: 0-4", 17, 8, "5 means seeds 0 to 4", "seeds: 5"
    ),
    "no test images": Slip(", test: 800", "", 3, 32, "split.test says how many", ", test: 800"),
    "no split": Slip(
        ", split: {train: 600, val: 397, test: 800, seed: 1}",
        "",
        3,
        10,
        "add split: {val: N, test: M}",
        ", split: {val: 397, test: 800}",
    ),
    "a share of the images": Slip(
        "test: 800", "test: 0.4", 3, 61, "write how many images, not which share", "test: 800"
    ),
    "another data set's word for its place": Slip(
        "name: digits, split: {train: 600, val: 397, test: 800, seed: 1}",
        "name: cifar10, path: data, split: {val: 5000, seed: 1}",
        3,
        26,
        "did you mean 'root'",
    ),
    "more images than there are": Slip(
        "train: 600", "train: 6000", 3, 32, "are more than the 1,797 images", "train: 600"
    ),
    "distillation without a teacher": Slip(
        "teacher: {model: resnet34_cifar}\n", "", 15, 5, "declare one", "teacher: {model: resnet34_cifar}\n"
    ),
    "a study's name in words": Slip("study: mine", "study: My Study", 2, 8, "lower-case", "study: my-study"),
    "a schedule by torch's name": Slip("cosine", "CosineAnnealingLR", 7, 13, "did you mean 'cosine'"),
    "an optimizer without its rate": Slip(
        "{name: adamw, lr: 1e-3}",
        "adamw",
        6,
        14,
        "write optimizer: {name: adamw, lr: 1e-3}",
        "{name: adamw, lr: 1e-3}",
    ),
    "a list without brackets": Slip(
        "T: [1, 4]", "T: 1,4", 16, 15, "a list stands in brackets: [1, 4]", "T: [1, 4]"
    ),
    "a decimal comma": Slip(
        "sesoi: 1.0", "sesoi: 1,0", 20, 10, "decimals stand behind a point: 1.0", "sesoi: 1.0"
    ),
    "yes for true": Slip("baseline: true", "baseline: yes", 15, 15, "write true", "baseline: true"),
    "a method by its paper's name": Slip(
        "kd: {T: [1, 4], alpha: 0.5}", "vanilla_kd: {T: [1, 4], alpha: 0.5}", 16, 5, "did you mean 'kd'"
    ),
    "a precision by torch's name": Slip(
        "epochs: 5",
        "epochs: 5\n  precision: float32",
        10,
        14,
        "did you mean 'fp32'",
        "epochs: 5\n  precision: fp32",
    ),
    "the device of a machine": Slip(
        "  epochs: 5", "  epochs: 5\n  device: cuda", 10, 3, "rigorkd run … --device cuda", "  epochs: 5"
    ),
    "one seed of the training": Slip(
        "  epochs: 5", "  epochs: 5\n  seed: 0", 10, 3, "seeds stand at the top", "  epochs: 5"
    ),
    "one augmentation": Slip(
        "[horizontal_flip]", "horizontal_flip", 4, 36, "in brackets: [horizontal_flip]", "[horizontal_flip]"
    ),
    "a teacher by its network alone": Slip(
        "teacher: {model: resnet34_cifar}",
        "teacher: resnet34_cifar",
        10,
        10,
        "write teacher: {model: resnet34_cifar}",
        "teacher: {model: resnet34_cifar}",
    ),
    "weights by their file alone": Slip(
        "{model: resnet34_cifar}",
        "{model: resnet34_cifar, start: best.pth}",
        10,
        41,
        "given as start: {path: best.pth}",
        "{model: resnet34_cifar, start: {path: best.pth}}",
    ),
    "a teacher without a name": Slip(
        "teacher: {model: resnet34_cifar}",
        "teachers: {model: resnet34_cifar}",
        10,
        19,
        "a teacher has a name",
        "teachers: {big: {model: resnet34_cifar}}",
    ),
    "a group without a name": Slip(
        "  main:\n    baseline: true\n    kd: {T: [1, 4], alpha: 0.5}\n",
        "  baseline: true\n  kd: {T: [1, 4], alpha: 0.5}\n",
        14,
        13,
        "a group has a name: groups: {main:",
        "  main:\n    baseline: true\n    kd: {T: [1, 4], alpha: 0.5}\n",
    ),
    "a contrast in words": Slip(
        "[main/small/kd-T4-a0.5, main/small/kd-T1-a0.5]",
        "main/small/kd-T4-a0.5 > main/small/kd-T1-a0.5",
        22,
        7,
        "a pair stands in brackets",
        "[main/small/kd-T4-a0.5, main/small/kd-T1-a0.5]",
    ),
    "a bracket too many": Slip(
        "{model: resnet34_cifar}",
        "{model: resnet34_cifar}}",
        10,
        33,
        "take it away",
        "{model: resnet34_cifar}",
    ),
    "the study's name as name": Slip("study: mine", "name: mine", 2, 1, "did you mean 'study'"),
    "a folder as the data set": Slip(
        "{name: digits, split: {train: 600, val: 397, test: 800, seed: 1}}",
        "data/pictures",
        3,
        10,
        "{name: image_folder, root: data/pictures, split: {val: N, test: M}}",
        "{name: image_folder, root: data/pictures, split: {val: 10, test: 20}}",
    ),
    "shares for the split": Slip(
        "split: {train: 600, val: 397, test: 800, seed: 1}",
        "split: [0.8, 0.1, 0.1]",
        3,
        32,
        "write split: {val: N, test: M}",
        "split: {val: 397, test: 800}",
    ),
    "the version is missing": Slip("rigorkd: 1\n", "", 1, 1, "the key 'rigorkd' is missing", "rigorkd: 1\n"),
    "an array's format for a source": Slip(
        DIGITS,
        "npz, file: cells.npz, split: {val: 10, test: 20}",
        3,
        17,
        "did you mean 'arrays'",
    ),
    "a folder for a source": Slip(
        DIGITS,
        "pictures, split: {val: 10, test: 20}",
        3,
        17,
        "write dataset: {name: image_folder, root: pictures, split: {val: N, test: M}}",
        OWN,
    ),
    "another tool's size of images": Slip(
        DIGITS,
        "image_folder, root: pictures, image_size: 32, split: {val: 10, test: 20}",
        3,
        47,
        "did you mean 'resolution'",
    ),
    "both sides of a square": Slip(
        DIGITS,
        "image_folder, root: pictures, resolution: 32x32, split: {val: 10, test: 20}",
        3,
        59,
        "one number is the side of the squares: resolution: 32",
        "image_folder, root: pictures, resolution: 32, split: {val: 10, test: 20}",
    ),
    "a download of one's own": Slip(
        DIGITS,
        "image_folder, root: pictures, download: true, split: {val: 10, test: 20}",
        3,
        47,
        "leave it out: published data sets alone are downloaded",
        OWN,
    ),
    "percents of the images": Slip(
        "val: 397", "val: 20%", 3, 50, "write how many images, not which share", "val: 300"
    ),
    "folders of parts one by one": Slip(
        DIGITS,
        "image_folder, train: pictures/train, split: {val: 10}",
        3,
        31,
        "root names the folder that train and test are in",
        "image_folder, root: pictures, split: {val: 10, test: 20}",
    ),
}


def told(text: str, folder: Path) -> ProtocolError | None:
    """What loading a text says, None if nothing."""
    (folder / "mine.yaml").write_text(text)
    try:
        load_protocol(folder / "mine.yaml")
    except ProtocolError as error:
        return error
    return None


def followed(text: str, error: ProtocolError) -> str:
    """The text with what the message offers in the place that it points at."""
    offered = re.search(r"did you mean '([^']+)'", str(error))
    assert offered is not None, error
    wrong = re.search(r"unknown [\w ]+ '([^']+)'", str(error))
    assert wrong is not None, error
    assert error.line is not None
    assert error.column is not None
    lines = text.split("\n")
    before, after = lines[error.line - 1][: error.column - 1], lines[error.line - 1][error.column - 1 :]
    assert wrong[1] in after, f"{error} points past {wrong[1]}"
    lines[error.line - 1] = before + after.replace(wrong[1], offered[1], 1)
    return "\n".join(lines)


def test_the_protocol_itself_is_right(tmp_path: Path) -> None:
    assert told(PROTOCOL, tmp_path) is None
    assert len(SLIPS) >= 50


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
def test_a_slip_is_one_message_and_its_mend_works(slip: Slip, tmp_path: Path) -> None:
    assert slip.right in PROTOCOL
    text = PROTOCOL.replace(slip.right, slip.wrong, 1)
    error = told(text, tmp_path)
    assert error is not None
    said = str(error)
    assert (error.line, error.column) == (slip.line, slip.column), said
    assert said.count("mine.yaml:") == 1, said
    assert slip.says in said
    mended = PROTOCOL.replace(slip.right, slip.mend, 1) if slip.mend else followed(text, error)
    assert told(mended, tmp_path) is None, told(mended, tmp_path)


def test_whatever_must_be_there_is_told_how_to_write_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("seeds: 5\n")
    with pytest.raises(ProtocolError) as caught:
        load_protocol(path)
    needed = [name for name, info in Spec.model_fields.items() if info.is_required()]
    assert len(needed) >= 6
    for key in needed:
        assert re.search(rf"the key '{key}' is missing\n  add .*{key}: ", str(caught.value)), key
