"""Which paths of weights a program names itself: what is written down, and not what is put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigorkd.records.weights_in_code import named_weights


def paths(source: str, *words: str, name: str = "train.py", there: Path = Path("nowhere")) -> list[str]:
    found = named_weights({Path(name): source.encode()}, words, there=there)
    return [f"{one.path}:{one.line}" for one in found]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('import torch\nnet = torch.load("runs/teacher.pt")', "runs/teacher.pt:2"),
        ('t.load_state_dict(torch.load("teacher.pth", map_location="cpu"))', "teacher.pth:1"),
        ('CKPT = "ckpt/best.ckpt"\nnet = load(CKPT)', "ckpt/best.ckpt:1"),
        ('ROOT = "runs"\nnet = torch.load(ROOT + "/t.pt")', "runs/t.pt:2"),
        ('from pathlib import Path\nload(Path("runs") / "t.pt")', "runs/t.pt:2"),
        ('load(os.path.join("runs", "t.safetensors"))', "runs/t.safetensors:1"),
        ('load(f"runs/t.pt")', "runs/t.pt:1"),
        ('def main(ckpt="~/nets/t.pt"):\n    torch.load(ckpt)', "~/nets/t.pt:1"),
        ('cfg = {"teacher": "nets/t.h5"}', "nets/t.h5:1"),
        ('p.add_argument("--ckpt", default="nets/t.pt")', "nets/t.pt:1"),
        ('TEACHER = "t.npz"', "t.npz:1"),
    ],
)
def test_what_is_written_down_is_found(source: str, found: str) -> None:
    assert paths(source) == [found]


@pytest.mark.parametrize(
    "source",
    [
        'torch.save(net, "runs/model.pt")',
        'OUT = "runs/model.pt"\ntorch.save(net, OUT)',
        'with open("runs/model.pt", "wb") as file:\n    pickle.dump(net, file)',
        'torch.load(args.out + "/model.pt")',
        'torch.load(Path(args.teacher) / "model.pt")',
        'torch.load(os.path.join(args.teacher, "model.pt"))',
        'torch.load(f"{teacher}/model.pt")',
        'torch.load(f"runs/seed-{seed}.pt")',
        'torch.load("runs/seed-%d.pt" % seed)',
        'data = np.load("data/digits.npz")',
        '"""Reads runs/teacher.pt of old."""',
        'if name.endswith(".pt"):\n    pass',
        'names = glob("runs/*.pt")',
    ],
)
def test_what_is_written_or_put_together_or_data_is_none(source: str) -> None:
    assert paths(source) == []


def test_a_default_counts_only_where_the_command_says_nothing_else() -> None:
    source = 'p.add_argument("--kd-ckpt", default="nets/t.pt")'
    assert paths(source, "python", "train.py", "--kd-ckpt", "x") == []
    assert paths(source, "python", "train.py", "--kd-ckpt=x") == []
    assert paths('def main(ckpt="nets/t.pt"):\n    torch.load(ckpt)', "kd.ckpt=x") == []
    assert paths(source, "python", "train.py", "--other", "x") == ["nets/t.pt:1"]


def test_a_teacher_is_told_before_other_weights_and_a_file_by_its_name_alone(tmp_path: Path) -> None:
    source = 'start = load("nets/imagenet.pt")\nteacher = load("nets/big.pt")'
    assert paths(source) == ["nets/big.pt:2"]
    lone = 'use(spec, "lone.pt")'
    assert paths(lone, there=tmp_path) == []
    (tmp_path / "lone.pt").touch()
    assert paths(lone, there=tmp_path) == ["lone.pt:1"]


def test_the_script_s_own_folder_is_a_place() -> None:
    source = 'load(Path(__file__).resolve().parent / "teacher.pt")'
    assert paths(source, name="/code/train.py") == ["/code/teacher.pt:1"]


def test_other_scripts_are_read_as_text() -> None:
    source = "# runs/old.pt\npython train.py --kd runs/teacher.pt --out $1/model.pt data/x.npz\n"
    assert paths(source, name="go.sh") == ["runs/teacher.pt:2"]
    assert paths('print "of Python 2"\nload("runs/teacher.pt")') == ["runs/teacher.pt:2"]
