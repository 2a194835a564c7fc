"""`trainer:` of a protocol: the command's grammar, the cells that it makes, and errors at line and column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.errors import InputError, ProtocolError
from rigorkd.protocol.cohorts import cohorts, gain_pairs, lone_cells
from rigorkd.protocol.hashes import resolved
from rigorkd.protocol.load import Protocol, load_protocol
from rigorkd.protocol.smoke import smoke
from rigorkd.protocol.trainer import Template, TemplateError, as_text, program_of
from rigorkd.records.command_code import read_files

COMMAND = (
    "python train.py --model {student} --width {width} --method {method} [--T {T} --alpha {alpha}] "
    "[--teacher {teacher}] --lr {lr} --seed {seed} --out {out}"
)
PROTOCOL = f"""\
rigorkd: 1
study: scripts
trainer:
  command: "{COMMAND}"
  smoke: "python train.py --model {{student}} --method {{method}} [--T {{T}}] --seed {{seed}} --out {{out}}"
  metrics: {{accuracy: max, loss: min}}
teacher: {{trainer: {{command: "python big.py --seed {{seed}} {{out}}", smoke: "python big.py {{out}}"}}}}
students: {{small: {{width: 1}}, large: {{width: 2}}}}
groups:
  main: {{lr: [0.1, 0.01], baseline: true, kd: {{T: [2, 4], alpha: 0.5}}}}
seeds: 3
"""


def protocol(tmp_path: Path, text: str = PROTOCOL) -> Protocol:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    return load_protocol(file)


def command(found: Protocol, cell: str) -> str:
    return str(resolved(found.cell(cell))["command"])


# ----------------------------------------------------------------------------------- what a mend is offered


@pytest.mark.parametrize(
    ("old", "new", "offered"),
    [
        ("metrics: {", "metric: {", "did you mean 'metrics'?"),
        ("{small: {width: 1}, large: {width: 2}}", "[ResNet-18]", "students: {resnet-18: {arch: ResNet-18}}"),
        ("{small: {width: 1}, large: {width: 2}}", "ridge", "write students: [ridge]"),
        ("lr: [0.1, 0.01]", "lr: [0.1, null]", "[--key {key}], or write the text 'null' in quotes"),
        (
            "seeds: 3",
            "seeds: 3\nanalysis: {contrasts: [[large, main/small/baseline-lr0.1]]}",
            "did you mean 'main/large/baseline-lr0.1' or 'main/large/baseline-lr0.01' or",
        ),
    ],
)
def test_what_a_command_protocol_is_offered(tmp_path: Path, old: str, new: str, offered: str) -> None:
    assert old in PROTOCOL
    with pytest.raises(ProtocolError) as error:
        protocol(tmp_path, PROTOCOL.replace(old, new, 1))
    assert offered in f"{error.value.message} {error.value.hint}"


# ------------------------------------------------------------------------------------------- the grammar


@pytest.mark.parametrize(
    ("text", "values", "words"),
    [
        ("a b  c", {}, ["a", "b", "c"]),
        ("a --x {x}", {"x": "two words; rm -rf ~"}, ["a", "--x", "two words; rm -rf ~"]),
        ("a --x {x}", {}, ["a", "--x", ""]),
        ("a [--x {x}] b", {}, ["a", "b"]),
        ("a [--x {x}] b", {"x": "1"}, ["a", "--x", "1", "b"]),
        ("a [--x {x} --y {y}] b", {"x": "1"}, ["a", "b"]),
        ("a lr={lr}[,T={T}] b", {"lr": "1"}, ["a", "lr=1", "b"]),
        ("a lr={lr}[,T={T}] b", {"lr": "1", "T": "4"}, ["a", "lr=1,T=4", "b"]),
        ('a \'{{"k": {x}}}\' ""', {"x": "3"}, ["a", '{"k": 3}', ""]),
        ("a '[1, 2]' [[3]]", {}, ["a", "[1, 2]", "[3]"]),
        (r"a b\ c 'd\e'", {}, ["a", "b c", r"d\e"]),
    ],
)
def test_a_command_is_split_once_and_then_filled(text: str, values: dict[str, str], words: list[str]) -> None:
    assert Template.of(text).words(values) == words


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("a {", "{"),
        ("a {1x}", "{1x}"),
        ("a }", "}"),
        ("a [b", "[b"),
        ("a b]", "]"),
        ("a [b]", "[b"),
        ("'a", "'"),
        ("a [{x} [{y}]]", "[{y}]]"),
    ],
)
def test_a_command_that_means_nothing_is_told_where(text: str, near: str) -> None:
    with pytest.raises(TemplateError) as error:
        Template.of(text)
    assert error.value.near.startswith(near)


@given(
    st.dictionaries(st.sampled_from("abc"), st.text(max_size=30)),
    st.lists(st.sampled_from("abc"), min_size=1),
)
def test_whatever_a_value_is_it_stays_one_argument(values: dict[str, str], names: list[str]) -> None:
    text = "run " + " ".join(f"--{name} {{{name}}}" for name in names)
    words = Template.of(text).words(values)
    assert len(words) == 1 + 2 * len(names)
    assert words[2::2] == [values.get(name, "") for name in names]


@given(st.text(alphabet="a {}[]'\"\\x", max_size=20))
def test_any_text_is_a_command_or_a_told_error(text: str) -> None:
    try:
        words = Template.of(text).words({"a": "1", "x": "2"})
    except TemplateError as error:
        found = error.near in text
    else:
        found = all(isinstance(word, str) for word in words)
    assert found


def test_numbers_are_written_as_people_do() -> None:
    assert [as_text(value) for value in (4.0, 0.5, 1e-5, True, "x", 3)] == [
        "4",
        "0.5",
        "1e-05",
        "true",
        "x",
        "3",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("python train.py --x {x}", ("train.py", False)),
        ("python3.11 -u -W ignore lib/train.py", ("lib/train.py", False)),
        ("/usr/bin/python -m pkg.train {x}", ("pkg.train", True)),
        ("python {student}.py", None),
        ("python -c 'print(1)'", None),
        ("torchrun train.py", None),
        ("bash run.sh", None),
    ],
)
def test_whose_code_is_known_by_itself(text: str, found: tuple[str, bool] | None) -> None:
    assert program_of(text) == found


# --------------------------------------------------------------------------------------------- the cells


def test_cells_have_the_names_and_gains_of_any_study(tmp_path: Path) -> None:
    found = protocol(tmp_path)
    names = [cell.name for cell in found.cells]
    assert names[:3] == ["teacher", "main/small/baseline-lr0.1", "main/small/kd-T2-a0.5-lr0.1"]
    assert len(names) == 13
    pairs = dict(gain_pairs(found.cells, found.cells))
    assert pairs["main/large/kd-T4-a0.5-lr0.01"] == "main/large/baseline-lr0.01"
    assert len(pairs) == 8
    assert all(len(cohort.runs) == 1 for cohort in cohorts(found.cells, found.seeds))
    assert found.cell("main/small/kd-T2-a0.5-lr0.1").needs == ("teacher",)
    assert found.cell("main/small/baseline-lr0.1").needs == ()


def test_a_cell_that_lacks_an_axis_drops_the_part_in_brackets(tmp_path: Path) -> None:
    found = protocol(tmp_path)
    assert command(found, "main/small/baseline-lr0.1") == (
        "python train.py --model small --width 1 --method baseline --lr 0.1 --seed {seed} --out {out}"
    )
    assert "--T 4 --alpha 0.5 --teacher {teacher} --lr 0.01" in command(found, "main/large/kd-T4-a0.5-lr0.01")


def test_the_first_declared_metric_is_what_is_asked_of(tmp_path: Path) -> None:
    found = protocol(tmp_path)
    assert (found.spec.analysis.metric, found.spec.analysis.goal) == ("accuracy", "max")
    other = protocol(tmp_path, PROTOCOL + "analysis: {metric: loss, secondary: [accuracy]}\n")
    assert (other.spec.analysis.metric, other.spec.analysis.goal) == ("loss", "min")


def test_a_grid_that_tunes_its_baseline_is_matched_on_what_it_tunes(tmp_path: Path) -> None:
    text = PROTOCOL.replace(
        "lr: [0.1, 0.01], baseline: true, kd: {T: [2, 4]",
        "baseline: {lr: [1, 2]}, kd: {lr: [1, 2], T: [2, 4]",
    )
    found = protocol(tmp_path, text)
    pairs = dict(gain_pairs(found.cells, found.cells))
    assert pairs["main/small/kd-T2-a0.5-lr2"] == "main/small/baseline-lr2"


def test_methods_of_ones_own_and_starts(tmp_path: Path) -> None:
    text = """\
rigorkd: 1
study: own
trainer: "python t.py {student} {method} [{beta}] [--from {start}] {seed} {out}"
starts: {tuned: {trainer: "python tune.py {student} {seed} {out}"}}
students: [a, b]
groups:
  main: {start: [random, tuned], baseline: true, mine: {beta: [1, soft]}, plain_kd: true}
analysis: {metric: f1, goal: max}
"""
    found = protocol(tmp_path, text)
    names = [cell.name for cell in found.cells]
    assert {"start/tuned/a", "main/a/mine-beta1-random", "main/b/mine-beta-soft-tuned"} <= {*names}
    assert "main/a/plain_kd-tuned" in names
    assert "--from {start}" in command(found, "main/a/baseline-tuned")
    assert "--from" not in command(found, "main/a/baseline-random")
    assert found.cell("main/a/baseline-tuned").needs == ("start/tuned/a",)


def test_a_start_that_is_told_nothing_of_the_student_is_one_for_all(tmp_path: Path) -> None:
    text = """\
rigorkd: 1
study: own
trainer: "python t.py {student} [{width}] {method} --from {start} {seed} {out}"
starts:
  big: {trainer: "python teach.py {seed} {out}"}
  next: {from: big, trainer: "python next.py {start} {seed} {out}"}
students: {a: {width: 1}, b: {width: 2}}
groups:
  main: {start: next, baseline: true, kd: true}
  late: {students: [b], start: big, other: true, baseline: true}
analysis: {metric: f1, goal: max}
"""
    found = protocol(tmp_path, text)
    assert [cell.name for cell in found.cells if cell.role == "start"] == ["start/big/a", "start/next/a"]
    assert found.cell("start/next/a").needs == ("start/big/a",)
    assert {cell.needs for cell in found.cells if cell.group == "main"} == {("start/next/a",)}
    assert {cell.needs for cell in found.cells if cell.group == "late"} == {("start/big/a",)}
    for told in ("{student}", "{width}", "{cell}"):  # each then has its own, and what comes from it
        apart = protocol(tmp_path, text.replace("teach.py", f"teach.py {told}"))
        assert {cell.name for cell in apart.cells if cell.role == "start"} == {
            "start/big/a",
            "start/big/b",
            "start/next/a",
            "start/next/b",
        }
        assert apart.cell("main/b/kd").needs == ("start/next/b",)
    alone = protocol(tmp_path, text.replace("{a: {width: 1}, b", "{b"))  # as a study with one student had it
    assert [cell.name for cell in alone.cells if cell.role == "start"] == ["start/big/b", "start/next/b"]
    twice = text.replace("python next.py {start} {seed}", "python teach.py {seed}").replace("from: big, ", "")
    with pytest.raises(ProtocolError, match="start/big/b and start/next/a have the same command"):
        protocol(tmp_path, twice)


def test_two_settings_of_one_script(tmp_path: Path) -> None:
    text = """\
rigorkd: 1
study: own
trainer: "python t.py [--lr {lr}] {student} {seed} {out}"
students: [10, 100]
groups: {main: {baseline: {lr: 1}, slow: {lr: 0.3}}}
analysis: {metric: f1, goal: max}
"""
    with pytest.raises(ProtocolError, match=r"4:11: a student's name is text, and 10 is a number.*size: 10"):
        protocol(tmp_path, text)
    text = text.replace("[10, 100]", "[net]")
    only = protocol(
        tmp_path,
        text.replace("slow: {lr: 0.3}", "lr: [1, 0.3]").replace("baseline: {lr: 1}", "baseline: true"),
    )
    assert "contrasts: [[main/net/baseline-lr0.3, main/net/baseline-lr1]]" in lone_cells(only.cells)
    assert not lone_cells(only.cells, planned=True)
    found = protocol(tmp_path, text)  # its only baseline is everyone's
    assert gain_pairs(found.cells, found.cells) == [("main/net/slow-lr0.3", "main/net/baseline-lr1")]
    text = text.replace("slow: {lr: 0.3}", "slow: {lr: [0.3, 1], warm: 1}").replace(
        "[--lr", "[--warm {warm}] [--lr"
    )
    found = protocol(tmp_path, text)  # what one of its cells shares is tuning
    assert [name for name, _ in gain_pairs(found.cells, found.cells)] == ["main/net/slow-lr1-warm1"]
    mend = lone_cells(found.cells).partition("add ")[2].removesuffix(" to analysis")
    assert mend == "contrasts: [[main/net/slow-lr0.3-warm1, main/net/baseline-lr1]]"
    assert protocol(tmp_path, text.replace("goal: max", f"goal: max, {mend}")).spec.analysis.contrasts


def test_the_code_of_a_module_below_pythonpath_is_known(tmp_path: Path) -> None:
    for name, text in {
        "__init__.py": "",
        "__main__.py": "from .data import get\n",
        "data.py": "get = 1\n",
    }.items():
        (tmp_path / "src" / "pkg").mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / "pkg" / name).write_text(text)
    text = """\
rigorkd: 1
study: own
trainer: {command: "python -m pkg {seed} {out}", env: {PYTHONPATH: src}}
students: [net]
groups: {main: {baseline: true}}
analysis: {metric: f1, goal: max}
"""
    found = read_files(protocol(tmp_path, text).cells[0], tmp_path)
    assert [*found.code] == ["src/pkg/__init__.py", "src/pkg/__main__.py", "src/pkg/data.py"]


def test_a_smoke_study_runs_the_small_command(tmp_path: Path) -> None:
    small = smoke(protocol(tmp_path))
    assert small.study == "scripts.smoke"
    assert command(small, "teacher") == "python big.py {out}"
    assert "--width" not in command(small, "main/small/baseline-lr0.1")


def test_without_a_small_command_there_is_no_smoke_study(tmp_path: Path) -> None:
    text = "\n".join(line for line in PROTOCOL.splitlines() if not line.startswith("  smoke"))
    with pytest.raises(
        ProtocolError, match=r"p.yaml:6:11: --smoke: this trainer has no small command"
    ) as error:
        smoke(protocol(tmp_path, text.replace(', smoke: "python big.py {out}"', "")))
    assert error.value.exit_code == 2


# -------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("--lr {lr}", "--lr {rl}", "4:134: unknown placeholder 'rl'"),
        (
            "[--T {T}",
            "[--root {root}] [--T {T}",
            "if no cell sets it any more, take its part in brackets out",
        ),
        (" --lr {lr}", "", "10:10: lr reaches no command"),
        (" --width {width}", "", "8:20: width reaches no command"),
        ("--alpha {alpha}", "", "10:59: alpha reaches no command"),
        ("[--T {T}", "[--T {T", "4:86: a brace that opens no placeholder"),
        ("[--T {T}", "[--T { T }", "did you mean {T}? a placeholder is {name}"),
        ("{width}", "{wid-th}", "unknown placeholder 'wid-th'"),
        ("metrics: {", "result: /tmp/a.json\n  metrics: {", "name it from there, such as a.json"),
        (
            "metrics: {",
            "result: {file: 's{seed}.json'}\n  metrics: {",
            "6:18: 's{seed}.json': {seed} is filled in the command alone",
        ),
        ("metrics: {", "result: '{out}/a.json'\n  metrics: {", "{out} is filled in the command alone"),
        ("[--T {T}", "[--T [{T}]", "4:86: an optional part inside another"),
        ("{lr} --seed {seed}", "{lr}", "4:12: the command has no {seed}"),
        ('{seed} --out {out}"\n  smoke', '{seed}"\n  smoke', "4:12: the command has no {out}"),
        ('{seed} --out {out}"\n  smoke', '{seed}"\n  smoke', "env -C {out} python /whole/path/to/train.py …"),
        (
            "python train.py --model {student} --width",
            "torchrun ./t.py {student} --width",
            "code: [t.py], with what they call, or code: [] for none",
        ),
        ("  metrics: {accuracy: max, loss: min}\n", "", "add metrics: {accuracy: max} to the trainer"),
        (
            "loss: min}",
            "loss: min}\n  result: {keys: {acc: A, loss: L}}",
            "write keys: {accuracy: A}, or metrics:",
        ),
        ("metrics: {", "result: {file: stdout, acc: A}\n  metrics: {", "stand under keys: {accuracy: A}"),
        ('--seed {seed} --out {out}"\n  smoke', '<seed> {out}"\n  smoke', "one pair of braces: {seed}"),
        ("metrics: {accuracy: max, loss: min}", "metrics: [accuracy]", "write metrics: {accuracy: max}"),
        ("python train.py", "SEED=1 python train.py", "no shell reads the command, and SEED=… is no program"),
        (
            '{seed} --out {out}"\n  smoke',
            '{seed} > {out}"\n  smoke',
            "4:12: no shell reads the command, so > would",
        ),
        ("--seed {seed}", "--seed {seed} $lr", "no shell reads the command, so $lr stays as it is"),
        ("seeds: 3", "training: {epochs: 3}", "11:1: training is for rigorkd's own training"),
        ("seeds: 3", "dataset: cifar10", "11:1: dataset is for rigorkd's own training"),
        ("lr: [0.1, 0.01]", "lr: [0.1, [2]]", "10:20: an axis holds numbers, text"),
        ("lr: [0.1, 0.01]", "lr: []", "10:14: the list is empty"),
        ("lr: [0.1, 0.01]", "seed: [0.1, 0.01]", "10:10: 'seed' names something else already"),
        ("accuracy: max", "accuracy: most", "6:23: accuracy must be max or min"),
        ("  metrics", "  metrix", "6:3: unknown key 'metrix'"),
        ("--model {student} --width {width}", "--w {width}", ""),
        ("--model {student} --width {width} --method {method}", "", "reaches no command"),
        ("kd: {T: [2, 4], alpha: 0.5}", "kd: 3", "10:47: kd must be true, a mapping or a list"),
        (
            "students: {small: {width: 1}, large: {width: 2}}",
            "students: {small: {width: [1, 2]}}",
            "8:27: an axis holds",
        ),
        ("kd: {T: [2, 4], alpha: 0.5}", r'kd: {T: ["a\0b"], alpha: 0.5}', "10:52: a null character"),
        ("--lr {lr}", r"--lr\0 {lr}", "a null character"),
        ("  metrics", "  env: {'A=B': 1}\n  metrics", "6:16: 'A=B' is no name of an environment variable"),
        (" --method {method}", "", ""),
    ],
)
def test_what_is_wrong_is_told_at_line_and_column(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert PROTOCOL.count(old) >= 1
    text = PROTOCOL.replace(old, new, 1)
    if not message:
        protocol(tmp_path, text)
        return
    with pytest.raises(ProtocolError) as error:
        protocol(tmp_path, text)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) <= 6


@pytest.mark.parametrize(
    ("own", "said", "hint"),
    [
        (
            "python t.py {seed}",
            "what its students read",
            "--save {out}/teacher.pt, which the students read as",
        ),
        ({"command": "python t.py {seed}", "metrics": {"a": "max"}}, "metrics.json", "--out {out}"),
    ],
)
def test_a_teacher_without_out_is_told_what_it_is_for(
    tmp_path: Path, own: object, said: str, hint: str
) -> None:
    text = f"""\
rigorkd: 1
study: one
trainer: {{command: "python t.py {{seed}} {{out}} [{{teacher}}]", metrics: {{f1: max}}}}
teacher: {{trainer: {json.dumps(own)}}}
students: [s]
groups: {{main: {{baseline: true, kd: true}}}}
"""
    (tmp_path / "t.py").touch()
    with pytest.raises(ProtocolError) as error:
        protocol(tmp_path, text)
    assert f"the command has no {{out}}, where it is to leave {said}" in str(error.value)
    assert hint in str(error.value)


def test_two_methods_of_one_command_are_told(tmp_path: Path) -> None:
    text = """\
rigorkd: 1
study: one
trainer: {command: "python train.py {seed} {out}", metrics: {f1: max}}
students: [s]
groups: {main: {baseline: true, kd: true, crd: true}}
"""
    (tmp_path / "train.py").touch()
    with pytest.raises(ProtocolError, match=r"5:37: main/s/kd and main/s/baseline have the same command"):
        protocol(tmp_path, text)
    protocol(tmp_path, text.replace("{seed}", "{seed} {method}"))
    protocol(tmp_path, text.replace("kd: true, crd: true", "kd: false"))


def test_a_group_that_nothing_trains_is_named(tmp_path: Path) -> None:
    text = """\
rigorkd: 1
study: own
students: [a]
groups:
  one: {trainer: "python t.py {seed} {out}", baseline: true}
  two: {baseline: true}
analysis: {metric: f1, goal: max}
"""
    with pytest.raises(InputError, match="6:3: nothing says how this is trained"):
        protocol(tmp_path, text)


def test_a_teacher_for_all_seeds_needs_no_seed(tmp_path: Path) -> None:
    text = PROTOCOL.replace(
        'teacher: {trainer: {command: "python big.py --seed {seed} {out}"',
        'teacher: {per_seed: false, trainer: {command: "python big.py {out}"',
    )
    assert not protocol(tmp_path, text).cell("teacher").per_seed


def test_a_method_whose_command_names_no_teacher_waits_for_none(tmp_path: Path) -> None:
    """Label smoothing beside distillation: which of two teachers is meant asks nobody for it."""
    text = PROTOCOL.replace(
        "--alpha {alpha}] [--teacher {teacher}]", "--alpha {alpha} --teacher {teacher}] [--smooth {epsilon}]"
    ).replace("alpha: 0.5}}", "alpha: 0.5}, smoothing: {epsilon: [0.1, 0.2]}}")
    found = protocol(tmp_path, text)
    smoothed = found.cell("main/small/smoothing-epsilon0.1-lr0.1")
    assert (smoothed.needs, smoothed.teacher) == ((), None)
    assert "teacher" not in command(found, smoothed.name)
    assert found.cell("main/small/kd-T2-a0.5-lr0.1").needs == ("teacher",)
    assert (smoothed.name, "main/small/baseline-lr0.1") in gain_pairs([smoothed], found.cells)
    two = text.replace("teacher: {trainer: {", "teachers: {a: {width: 4}, b: {width: 8}}\n#", 1)
    with pytest.raises(ProtocolError, match="kd needs one of the 2 teachers"):
        protocol(tmp_path, two)
    named = protocol(tmp_path, two.replace("groups:\n  main: {", "groups:\n  main: {teacher: [a, b], "))
    names = [cell.name for cell in named.cells if cell.name.startswith("main/small/smoothing")]
    assert len(names) == 4
    assert not [name for name in names if name.endswith(("-a", "-b"))]
