"""Which files of settings a command's code may read, beside its arguments and inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigorkd.protocol.load import load_protocol
from rigorkd.records.command_code import as_they_are, changed_settings, uncovered, unseen_arguments, watched
from rigorkd.records.command_notes import Doubts
from rigorkd.records.mixed_files import mixed
from rigorkd.records.record import Record
from rigorkd.records.settings_files import settings_files

HYDRA = (
    "import hydra\n@hydra.main(version_base=None, config_path={path}, config_name='config')\ndef main(cfg): 0"
)
PROTOCOL = """\
rigorkd: 1
study: mine
trainer: {{command: "{command}", metrics: {{acc: max}}, result: stdout{more}}}
students: [net]
groups: {{main: {{baseline: {{lr: 1}}, other: {{lr: 2}}}}}}
seeds: 2
"""


def found(
    folder: Path,
    script: str,
    *files: str,
    command: str = "python train.py {seed} {lr}",
    more: str = "",
    at: str = "train.py",
) -> list[str]:
    """The settings that no hash covers, of a script among these files."""
    for name in (*files, at):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a: 1\n")
    (folder / at).write_text(script)
    (folder / "p.yaml").write_text(PROTOCOL.format(command=command, more=more))
    paths = uncovered(load_protocol(folder / "p.yaml").cells, folder)
    return sorted(str(path.relative_to(folder)) for path in paths)


@pytest.mark.parametrize(
    ("reads", "file"),
    [
        ("open('configs/base.yaml')", "configs/base.yaml"),
        ("open('a/b/set.toml')", "a/b/set.toml"),
        ("open('data/own.json')", "data/own.json"),
        ("p.add_argument('--config', default='settings/base.yml')", "settings/base.yml"),
        ("open(os.path.join('a', 'b', 'x.ini'))", "a/b/x.ini"),
        ("open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'a', 'x.cfg'))", "a/x.cfg"),
        ("(Path(__file__).resolve().parent / 'a' / 'x.json').read_text()", "a/x.json"),
        ("Path(__file__).parents[0].joinpath('a', 'x.yaml')", "a/x.yaml"),
        ("ROOT = Path(__file__).parent\nWHERE = ROOT / 'a'\nopen(WHERE / 'x.yaml')", "a/x.yaml"),
        ("open(os.path.join(os.getcwd(), 'a/x.yaml'))", "a/x.yaml"),
        ("open(f'{root}/a/x.yaml')", "a/x.yaml"),
        ("open(f'runs/{name}.yaml')", "runs/x.yaml"),
        ("open('runs/{}.yaml'.format(name))", "runs/x.yaml"),
        ("open('runs/' + name + '.yaml')", "runs/x.yaml"),
        ("open(os.path.join('configs', name))", "configs/any.json"),
        ("open(f'configs/{name}')", "configs/any.toml"),
        ("import yaml", "conf/config.yaml"),
        ("from omegaconf import OmegaConf", "config/deep/er.yml"),
        ("import json", "configs/a.json"),
        ("import tomllib", "conf/a.toml"),
        (HYDRA.format(path="'conf'"), "conf/config.yaml"),
        (HYDRA.format(path="'conf'"), "conf/optim/sgd.yaml"),
        (HYDRA.format(path="'./here/set'"), "here/set/optim/sgd.yaml"),
        (HYDRA.format(path="str(Path(__file__).parent / 'here')"), "here/config.yaml"),
        (HYDRA.format(path="None"), "config.yaml"),
        ("from hydra import initialize, compose\ninitialize('here')\ncompose('config')", "here/config.yaml"),
    ],
)
def test_settings_in_folders_are_found(tmp_path: Path, reads: str, file: str) -> None:
    assert found(tmp_path, reads, file) == [file]


@pytest.mark.parametrize(
    ("reads", "file"),
    [
        ("open('b.yaml')", "configs2/b.yaml"),  # another folder than it names
        ("print(1)", "conf/config.yaml"),  # reads no such files
        ("json.dump(all, open('out/own.json', 'w'))", "out/own.json"),  # is written
        ("open(f'{name}.yaml')", "other.yaml"),  # nothing of the name is known
        ("open(f'data/{name}.json')", "data/1.json"),  # data
        ("import yaml", "conf/.hidden.yaml"),
        (HYDRA.format(path="'here'"), "there/config.yaml"),
        (HYDRA.format(path="'.'"), "runs/old.yaml"),
    ],
)
def test_other_files_are_not(tmp_path: Path, reads: str, file: str) -> None:
    assert found(tmp_path, reads, file) == []


@pytest.mark.parametrize("beside", ["base.yaml", "lib/base.yaml"])
def test_the_file_that_is_named_wins_over_one_of_the_same_name(tmp_path: Path, beside: str) -> None:
    script = "import lib.own\nopen(os.path.join('configs', 'base.yaml'))\nopen('configs/base.yaml')"
    assert found(tmp_path, script, "lib/own.py", beside, "configs/base.yaml") == ["configs/base.yaml"]
    (tmp_path / "configs" / "base.yaml").unlink()
    assert found(tmp_path, script, beside) == []


def test_a_script_and_a_protocol_in_different_folders_and_imports(tmp_path: Path) -> None:
    files = ("code/conf/a.yaml", "set/b.yaml", "code/set/c.yaml", "code/lib.py")
    script = "import lib, yaml\nopen('set/b.yaml')\nopen('set/c.yaml')"
    at = {"command": "python code/train.py {seed} {lr}", "at": "code/train.py"}
    assert found(tmp_path, script, *files, **at) == ["code/conf/a.yaml", "code/set/c.yaml", "set/b.yaml"]
    (tmp_path / "code" / "lib.py").write_text("open('set/c.yaml')")
    assert "code/set/c.yaml" in found(tmp_path, "import lib", **at)


def test_hydra_s_own_folder_has_its_configuration_and_the_groups_that_it_names(tmp_path: Path) -> None:
    script = HYDRA.format(path="'.'")
    files = ("config.yaml", "optim/sgd.yaml", "optim/adam.yaml", "runs/old.yaml", "other.yaml")
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
    found(tmp_path, script, *files)
    (tmp_path / "config.yaml").write_text("defaults:\n  - optim: sgd\n  - _self_\n")
    assert found(tmp_path, script) == ["config.yaml", "optim/adam.yaml", "optim/sgd.yaml"]
    by_command = "python train.py --config-name=other {seed} {lr}"
    assert "other.yaml" in found(tmp_path, script, command=by_command)
    by_command = "python train.py --config-path here --config-name x {seed} {lr}"
    assert "here/x.yaml" in found(tmp_path, script, "here/x.yaml", command=by_command)


def test_what_a_command_or_the_inputs_choose_leaves_the_others_of_its_folder(tmp_path: Path) -> None:
    script = "import yaml\np.add_argument('--config', default='set/base.yaml')"
    files = ("configs/a.yaml", "configs/b.yaml", "set/base.yaml")
    assert found(tmp_path, script, *files) == ["configs/a.yaml", "configs/b.yaml", "set/base.yaml"]
    chosen = "python train.py --config configs/a.yaml {seed} {lr}"
    assert found(tmp_path, script, command=chosen) == ["configs/a.yaml"]
    inputs = ", inputs: [configs/a.yaml]"
    assert found(tmp_path, script, command=chosen, more=inputs) == []
    (tmp_path / "configs" / "a.yaml").write_text("_base_: b.yaml")
    assert found(tmp_path, script, command=chosen, more=inputs) == ["configs/b.yaml"]
    assert found(tmp_path, HYDRA.format(path="'configs'"), more=inputs) == ["configs/b.yaml"]


def test_a_script_of_another_language(tmp_path: Path) -> None:
    how = {"command": "bash go.sh {seed} {lr}", "more": ", code: [go.sh]", "at": "go.sh"}
    files = ("conf/a.yaml", "set/b.json", "b.json", "a.yaml")
    assert found(tmp_path, 'cp "$HERE/conf/a.yaml" set/b.json x', *files, **how) == [
        "conf/a.yaml",
        "set/b.json",
    ]


def test_the_protocol_is_none_and_plan_names_the_others(tmp_path: Path) -> None:
    assert found(tmp_path, "open('p.yaml')\nopen('conf/a.yaml')", "conf/a.yaml") == ["conf/a.yaml"]
    _, left = watched(load_protocol(tmp_path / "p.yaml").cells, tmp_path / "p.yaml")
    assert left.startswith("not of conf/a.yaml: what of it shapes results belongs under")


def test_large_code_and_folders_are_looked_through_soon(tmp_path: Path) -> None:
    lines = [
        f"x{n} = os.path.join(root, 'a' + str({n}) + f'{{n}}', g(h(i('b{n}'))), 'c.yaml')"
        for n in range(4000)
    ]
    lines += [f"y{n + 1} = y{n} + y{n}" for n in range(60)]
    names = [f"configs/{n}.yaml" for n in range(2500)]
    assert len(found(tmp_path, "\n".join(["y0 = 'a'", "import yaml", *lines]), *names)) == 300


@pytest.mark.parametrize(
    "odd",
    [
        "open('a\\0b/x.yaml')\nopen(f'a\\0b/{n}.yaml')\nopen('\\0/conf/')",
        "open('\\ud800/x.yaml')\nopen(f'\\ud800/{n}/x.yaml')",
        f"open({'a' * 290 + '.yaml'!r})\nopen('~nobody/x.yaml')\nopen('/*/x.yaml')",
        "x = " + " + ".join(["'conf/a.yaml'"] * 5000),
        "print 'of another Python', 'conf/a.yaml'",
    ],
)
def test_odd_programs_are_read_to_their_end(tmp_path: Path, odd: str) -> None:
    code = {tmp_path / "train.py": odd.encode(errors="surrogatepass")}
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.yaml").touch()
    assert settings_files(code, tmp_path) == [tmp_path / "conf" / "a.yaml"]


BOTH = """\
rigorkd: 1
study: own
trainer: {command: "python s.py {seed} [{T}]", metrics: {acc: max}, result: {file: stdout, keys: {acc: a}}%s}
teacher: {trainer: {command: "python t.py {seed} {out}"%s}}
students: [net]
groups: {main: {baseline: true, kd: {T: 2}}}
seeds: 2
"""


def test_what_the_students_trainer_covers_the_teachers_does_not(tmp_path: Path) -> None:
    """Two scripts read one file: with it among the students' inputs, old teachers had counted as done."""
    for name in ("s.py", "t.py"):
        (tmp_path / name).write_text("open('conf/a.yaml')\n")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.yaml").write_text("lr: 1\n")
    given = ", inputs: [conf/a.yaml]"
    expected = {
        ("", ""): "not of conf/a.yaml: what of it shapes results belongs under the trainer's inputs",
        (
            given,
            "",
        ): "not of conf/a.yaml for runs of teacher.trainer: what of it shapes results belongs",
        ("", given): "not of conf/a.yaml for runs of trainer: what of it shapes results belongs under",
        (given, given): "",
    }
    for (students, teachers), text in expected.items():
        (tmp_path / "p.yaml").write_text(BOTH % (students, teachers))
        told = list(watched(load_protocol(tmp_path / "p.yaml").cells, tmp_path / "p.yaml"))
        assert len(told) == 1 + bool(text)
        assert told[-1].startswith(text or "a change of these makes runs stale: ")


@pytest.mark.parametrize(
    ("given", "whose"), [("", "the trainer"), (", inputs: [a.txt]", "the teacher's own")]
)
def test_a_warning_says_whose_trainer_lacks_a_file(tmp_path: Path, given: str, whose: str) -> None:
    for name in ("s.py", "t.py", "a.txt"):
        (tmp_path / name).write_text("")
    text = BOTH.replace("t.py {seed} {out}", "t.py {seed} {out} a.txt").replace("[{T}]", "a.txt [{T}]")
    (tmp_path / "p.yaml").write_text(text % (given, ""))
    cells = load_protocol(tmp_path / "p.yaml").cells
    of_the_teacher = " for the teacher's runs" * bool(given)
    told = unseen_arguments(cells, tmp_path)
    assert f"reads a.txt, which no hash covers{of_the_teacher}: runs before" in told
    assert f"add inputs: [a.txt] to {whose}" in told
    record = Record(tmp_path, {"cell": "teacher", "seed": 0, "uncovered_files": {"a.txt": "old"}})
    told = changed_settings(cells, tmp_path, [record])
    assert f"no hash covers it{of_the_teacher}: if it shapes results, add inputs: [a.txt] to {whose}" in told


def says(records: list[Record]) -> list[str]:
    return [one.says for one in mixed(records)]


def test_a_changed_file_is_doubted_of_the_runs_that_are_judged_and_their_teachers_alone(
    tmp_path: Path,
) -> None:
    def record(run: str, **fields: object) -> Record:
        cell, _, seed = run.rpartition("/seed-")
        return Record(tmp_path, {"cell": cell, "seed": int(seed), "run_hash": run, **fields})

    records = []
    for seed in range(5):
        now = "old" if seed < 2 else "new"
        records.append(record(f"teacher/seed-{seed}", inputs={}, uncovered_files={"conf/a.yaml": now}))
        for cell in ("baseline", "kd", "ls"):
            of = {"teacher": "teacher", "teacher_run_hash": f"teacher/seed-{seed}"} if cell == "kd" else {}
            records.append(record(f"main/net/{cell}/seed-{seed}", inputs={"conf/a.yaml": "new"}, **of))
    doubts = Doubts((), tuple(records))
    every = [f"main/net/{cell}/seed-{seed}" for cell in ("baseline", "kd", "ls") for seed in range(5)]
    (found,) = doubts.among(every)
    assert found.runs == {"main/net/kd/seed-0", "main/net/kd/seed-1"}
    assert found.says.startswith("conf/a.yaml was another for 2 runs (teacher/seed-0, teacher/seed-1) than")
    assert not doubts.among([run for run in every if int(run[-1]) >= 2]), "all trained after the change"
    assert not doubts.among([run for run in every if "/kd/" not in run]), "no teacher of theirs"
    (found,) = doubts.among([run for run in every if int(run[-1]) in (1, 2)])
    assert "was another for 1 run (teacher/seed-1) than for" in found.says
    assert doubts.among(["of another name"]), "nobody knows which runs these are"


def test_a_teacher_of_another_file_than_its_students_is_told(tmp_path: Path) -> None:
    def record(run: str, **fields: object) -> Record:
        cell, _, seed = run.rpartition("/seed-")
        return Record(tmp_path, {"cell": cell, "seed": int(seed), **fields})

    students = [record(f"main/net/kd/seed-{seed}", inputs={"conf/a.yaml": "new"}) for seed in range(2)]
    teacher = record("teacher/seed-0", inputs={}, uncovered_files={"conf/a.yaml": "old"})
    alone = [teacher]
    (told,) = says([*students, teacher])
    assert told.startswith(
        "conf/a.yaml was another for 1 run (teacher/seed-0) than for 2, and no hash covers it for the"
        " teacher's runs, so that"
    )
    assert "add inputs: [conf/a.yaml] to the teacher's own trainer, and train" in told
    (told,) = says([*alone, record("teacher/seed-1", inputs={}, uncovered_files={"conf/a.yaml": "new"})])
    assert told.endswith("(a teacher's own trainer has inputs of its own)"), "no trainer's inputs name it"
    same = record("teacher/seed-0", inputs={}, uncovered_files={"conf/a.yaml": "new"})
    assert not list(mixed([*students, same]))
    assert not list(mixed(students)), "what hashes cover is stale, not mixed"


def test_a_file_that_came_or_went_between_runs_is_told_as_a_change(tmp_path: Path) -> None:
    def record(seed: int, cell: str = "main/net/kd", **noted: str) -> Record:
        return Record(tmp_path, {"cell": cell, "seed": seed, "uncovered_files": noted})

    (told,) = says([record(0), record(1, **{"conf/a.yaml": "new"}), record(2, **{"conf/a.yaml": "new"})])
    assert told.startswith(
        "conf/a.yaml was not there for 1 run (main/net/kd/seed-0), and was for 2, and no hash"
    )
    other = record(0, "main/net/baseline")
    assert not list(mixed([other, record(1, **{"conf/a.yaml": "new"})])), "its own command does not read it"
    old = Record(tmp_path, {"cell": "main/net/kd", "seed": 0})
    assert not list(mixed([old, record(1, **{"conf/a.yaml": "new"})])), "an earlier version noted nothing"


def test_a_new_settings_file_and_one_that_is_gone_are_changes_since_runs(tmp_path: Path) -> None:
    for name in ("s.py", "t.py"):
        (tmp_path / name).write_text("open('conf/a.yaml')\nopen('conf/b.yaml')\n")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.yaml").write_text("lr: 1\n")
    (tmp_path / "p.yaml").write_text(BOTH % ("", ""))
    cells = load_protocol(tmp_path / "p.yaml").cells
    noted = as_they_are([tmp_path / "conf" / "a.yaml"], tmp_path)
    then = "2020-01-01T00:00:00+00:00"
    name = next(cell.name for cell in cells if cell.role == "student")
    done = [Record(tmp_path, {"cell": name, "seed": 0, "finished": then, "uncovered_files": noted})]
    assert changed_settings(cells, tmp_path, done) == ""
    (tmp_path / "conf" / "b.yaml").write_text("lr: 2\n")
    assert "conf/b.yaml (new) changed after runs of this study" in changed_settings(cells, tmp_path, done)
    (tmp_path / "conf" / "a.yaml").unlink()
    both = changed_settings(cells, tmp_path, done)
    assert (
        "conf/b.yaml (new) and conf/a.yaml (gone)" in both or "conf/b.yaml (new), conf/a.yaml (gone)" in both
    )
    assert "inputs: [conf/b.yaml]" in both


def test_plan_names_inputs_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("x = 1\n")
    (tmp_path / "there.yaml").write_text("a: 1\n")
    more = ", inputs: [there.yaml, gone.yaml, 'c/{student}.yaml']"
    text = PROTOCOL.format(command="python train.py {seed} {lr}", more=more)
    (tmp_path / "p.yaml").write_text(text)
    told = list(watched(load_protocol(tmp_path / "p.yaml").cells, tmp_path / "p.yaml"))
    first, second = (text for text in told if "there is no file" in text)
    assert first.startswith("warning: there is no file gone.yaml, which trainer.inputs names: `run` stops")
    assert "inputs have no placeholders" not in first
    assert second.endswith("; inputs have no placeholders: name each file, or their folder")
