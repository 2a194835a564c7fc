"""What only the networks can tell is told at its line of the protocol, before anything is trained."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.protocol.load import load_protocol
from rigorkd.protocol.requirements import needs_preflight
from rigorkd.protocol.smoke import smoke
from rigorkd.train.preflight import preflight

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

DATA = "dataset: {name: digits, split: {train: 60, val: 20, test: 40, seed: 3}}"
PROTOCOL = f"""\
rigorkd: 1
study: looked
{DATA}
views: {{size: 16, normalize: imagenet}}
training: {{optimizer: {{name: adamw, lr: 1e-2}}, epochs: 2}}
teacher: {{model: {{name: cnn, channels: [8, 8], hidden: 12}}}}
students:
  one: {{model: {{name: cnn, channels: [4, 4]}}}}
groups:
  main:
    baseline: true
    feature: {{layers: [pool1, pool2]}}
"""
TEACHER = "teacher: {model: {name: cnn, channels: [8, 8], hidden: 12}}"
LAYERS = "{layers: [pool1, pool2]}"


@pytest.fixture
def problems(tmp_path: Path) -> Callable[..., list[tuple[int, str, str]]]:
    """Line, message and hint of every problem, with one part of the protocol replaced."""

    def look(*changes: tuple[str, str], smoked: bool = False) -> list[tuple[int, str, str]]:
        text = PROTOCOL
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "looked.yaml"
        path.write_text(text)
        protocol = load_protocol(path)
        protocol = smoke(protocol) if smoked else protocol
        wanted = [cell for cell in protocol.cells if needs_preflight(cell)]
        found = preflight(protocol, wanted)
        return [(protocol.place(each.path).line, each.message, each.hint) for each in found]

    return look


Problems = Callable[..., list[tuple[int, str, str]]]


def test_layers_that_are_there_are_no_problem(problems: Problems) -> None:
    assert problems() == []
    pairs = "{layers: [{student: relu2, teacher: hidden}, pool1, {student: head, teacher: head}]}"
    assert problems((LAYERS, pairs)) == []
    assert problems(smoked=True) == []


CHAIN = """\
teachers:
  big: {model: {name: cnn, channels: [8, 8], hidden: 12}}
  ta: {model: {name: cnn, channels: [4, 8]}, teacher: big, at: {layers: [{student: pool1, teacher: pol1}]}}
  no: {model: {name: cnn, channels: [4, 6]}, teacher: big, at: {layers: [{student: pool1, teacher: hidden}]}}
  any: {model: {name: cnn, channels: [4, 4]}, teacher: big, sp: {layers: [{student: pool1, teacher: hidden}]}}
starts: {warm: {teacher: ta, feature: {layers: [pool3]}}}"""


def test_layers_of_a_chain_are_told_where_its_link_is_declared(problems: Problems) -> None:
    """A start is looked at as the student's own model; sp takes features of any shape."""
    first = "  main:\n    teacher: big\n    start: [random, warm]\n"
    found = problems((TEACHER, CHAIN), ("  main:\n", first))
    assert [(line, message.removesuffix(" per image")) for line, message, _ in found] == [
        (8, "teacher big (cnn): the network has no layer 'pol1'"),
        (9, "teacher big (cnn): the teacher's layer 'hidden' gives 12"),
        (11, "student one (cnn): the network has no layer 'pool3'"),
        (11, "teacher ta (cnn): the network has no layer 'pool3'"),
    ]
    assert found[1][2] == "at compares maps (channels × height × width); name another layer"


def test_a_layer_that_a_network_does_not_have_is_named_with_the_nearest(problems: Problems) -> None:
    grids = "\n      - {layers: [pool1, pool2]}\n      - {layers: [pool1, {student: poll2, teacher: hiden}]}"
    found = problems((LAYERS, grids))
    assert [line for line, _, _ in found] == [14, 14]
    assert [message for _, message, _ in found] == [
        "student one (cnn): the network has no layer 'poll2'",
        "teacher teacher (cnn): the network has no layer 'hiden'",
    ]
    assert [hint for _, _, hint in found] == ["did you mean 'pool2'?", "did you mean 'hidden'?"]


@pytest.mark.parametrize(
    ("method", "message", "hint"),
    [
        (
            "at: true",
            "the network has no layer 'layer1'",
            "; at compares layer1, layer2, layer3 unless it is told",
        ),
        ("sp: {preset: crd}", "the network has no layer 'layer3'", "; sp compares layer3 unless it is told"),
        ("feature: {layers: [poll1]}", "the network has no layer 'poll1'", "did you mean 'pool1'?"),
        ("own: {term: 'losses:mine'}", "it needs the key 'gamma'", ""),
    ],
)
def test_a_measured_plan_refuses_of_methods_what_a_run_would_and_any_other_says_that_it_was_not_looked_at(
    tmp_path: Path, rigorkd: Rigorkd, method: str, message: str, hint: str
) -> None:
    (tmp_path / "losses.py").write_text(
        "def mine(student, teacher, gamma):\n    return gamma * ((student - teacher) ** 2).mean()\n"
    )
    path = tmp_path / "looked.yaml"
    path.write_text(PROTOCOL.replace(f"feature: {LAYERS}", method))
    quick = rigorkd("plan", path)
    written = method.startswith("feature")
    assert quick.returncode == 0
    assert ("looked at when `rigorkd run` starts" in " ".join(quick.stdout.split())) != written
    planned, run = rigorkd("plan", path, "--measure"), rigorkd("run", path)
    assert (planned.returncode, run.returncode) == (2, 2)
    assert f"{path}:12:" in planned.stderr
    assert message in planned.stderr
    assert hint in " ".join(planned.stderr.split())
    assert planned.stderr == run.stderr


NETS = """\
from torch import nn


class Tokens(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.embed = nn.Linear(16, 8)
        self.attend = nn.MultiheadAttention(8, 1, batch_first=True)
        self.head = nn.Linear(8, classes)

    def forward(self, images):
        tokens = self.embed(images.flatten(1, 2))
        return self.head(self.attend(tokens, tokens, tokens)[0].mean(1))


def tokens(classes, channels, size):
    return Tokens(classes)


def broken(classes, channels, size):
    raise ValueError("no such thing")
"""


def test_a_layer_of_tokens_or_of_several_outputs_is_refused(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "looked_nets.py").write_text(NETS)
    teacher = (TEACHER, "teacher: {model: 'looked_nets:tokens'}")
    pairs = "{layers: [{student: pool1, teacher: embed}, {student: pool1, teacher: attend}]}"
    assert [(line, message) for line, message, _ in problems(teacher, (LAYERS, pairs))] == [
        (12, "teacher teacher (looked_nets:tokens): the teacher's layer 'embed' gives 48 × 8 per image"),
        (12, "teacher teacher (looked_nets:tokens): the layer 'attend' gives a tuple, not one tensor"),
    ]


def test_a_model_that_cannot_be_built_is_told_at_its_own_line(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "looked_nets.py").write_text(NETS)
    found = problems((TEACHER, "teacher: {model: 'looked_nets:broken'}"))
    assert [line for line, _, _ in found] == [6]
    assert "no such thing" in found[0][1]


def test_a_layer_that_is_overwritten_names_itself(problems: Problems) -> None:
    student = ("{name: cnn, channels: [4, 4]}", "mobilenet_v2")
    found = problems(student, (LAYERS, "{layers: [{student: features.0.1, teacher: pool1}]}"))
    assert len(found) == 1
    assert "'features.0.1' gives is overwritten" in found[0][1]


@pytest.mark.parametrize(("classes", "refused"), [(10, False), (7, True)])
def test_the_head_of_a_teacher_that_is_used_as_it_is(
    problems: Problems, tmp_path: Path, classes: int, refused: bool
) -> None:
    model = Model(name="cnn", channels=(8, 8), hidden=12)
    weights = build(model, classes=classes, channels=3, size=16, seed=0).state_dict()
    save_file(weights, tmp_path / "t.safetensors")
    start = TEACHER.replace("}}", "}, start: {path: t.safetensors}, train: false}")
    found = problems((TEACHER, start))
    if refused:
        assert [line for line, _, _ in found] == [6]
        assert found[0][1] == "t.safetensors has a head for 7 classes, and the data has 10"
    else:
        assert found == []


def test_published_weights_have_no_head_to_be_used_as_it_is(problems: Problems) -> None:
    teacher = "teacher: {model: resnet18, start: imagenet1k_v1, train: false}"
    found = problems((TEACHER, teacher), (f"feature: {LAYERS}", "kd: true"))
    assert [(line, message) for line, message, _ in found] == [
        (6, "with train: false, the weights imagenet1k_v1 would teach from a new, random head")
    ]
    untrained = teacher.replace("start: imagenet1k_v1, ", "")
    assert problems((TEACHER, untrained), (f"feature: {LAYERS}", "kd: true")) == []


def test_a_folder_of_two_classes_leaves_dkd_nothing(problems: Problems, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for index in range(8):
                Image.fromarray(np.full((16, 16, 3), 20 * index, np.uint8)).save(folder / f"{index}.png")
    data = (
        f"dataset: {{name: image_folder, root: {tmp_path / 'pictures'}, resolution: 16, split: {{val: 4}}}}"
    )
    found = problems((DATA, data), (f"feature: {LAYERS}", "kd: true\n    dkd: {T: [1, 2]}"))
    assert {(line, message) for line, message, _ in found} == {(13, "dkd is undefined for two classes")}


def test_run_refuses_before_anything_is_written(rigorkd: Rigorkd, tmp_path: Path) -> None:
    path = tmp_path / "looked.yaml"
    path.write_text(PROTOCOL.replace("pool2", "poll2"))
    done = rigorkd("run", path)
    assert done.returncode == 2
    assert f"{path}:12:23: student one (cnn): the network has no layer 'poll2'" in done.stderr
    assert "did you mean 'pool2'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("vgg11", "model vgg11 cannot take images of 16×16 pixels"),
        ("{name: resnet18, args: {width_per_group: 32}}", "model resnet18 cannot be built"),
    ],
)
def test_a_model_that_does_not_fit_the_images_is_told_before_its_teacher_trains(
    problems: Problems, student: str, words: str
) -> None:
    plain = ("    feature: {layers: [pool1, pool2]}", "    kd: true")
    found = problems(("one: {model: {name: cnn, channels: [4, 4]}}", f"one: {{model: {student}}}"), plain)
    assert [line for line, _, _ in found] == [8]
    assert words in found[0][1]


def test_usual_models_are_not_looked_at(tmp_path: Path) -> None:
    """The launcher then starts without torch."""
    path = tmp_path / "usual.yaml"
    path.write_text(PROTOCOL.replace("feature: {layers: [pool1, pool2]}", "kd: true"))
    assert not any(map(needs_preflight, load_protocol(path).cells))
