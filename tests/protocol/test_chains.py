"""Teachers and starts that come from others: how they are written, named, hashed, ordered and refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rigorkd.errors import ProtocolError
from rigorkd.protocol.chains import comes_from
from rigorkd.protocol.cohorts import cohorts, lone_cells
from rigorkd.protocol.hashes import NEWEST, resolved
from rigorkd.protocol.load import Protocol, method_location
from rigorkd.records.expected import Expected, expected_hashes

Load = Callable[..., Protocol]

HEAD = """\
rigorkd: 1
study: chain
dataset: {name: digits, split: {train: 600, val: 397, test: 800, seed: 1}}
training: {optimizer: {name: adamw, lr: 2e-3}, batch_size: 64, epochs: 4}
students: {small: {model: {name: cnn, channels: [4, 8]}}}
groups:
  main: {teacher: GROUP, baseline: true, kd: {T: 4, alpha: 0.5}}
seeds: 2
"""

CHAIN = """\
teachers:
  last: {model: {name: cnn, channels: [8, 16]}, teacher: ta, dkd: {preset: paper, lr: 1e-3}, epochs: 3}
  ta: {model: {name: cnn, channels: [8, 16]}, teacher: big, kd: {T: 4, alpha: 0.5}}
  big: {model: {name: cnn, channels: [32, 64], hidden: 64}}
  both: {mean_of: {big: 3, ta: 1}}
starts:
  warm: {teacher: both, kd: {T: 2, alpha: 0.1}, epochs: 2}
"""


def text(teachers: str, group: str = "a") -> str:
    """The protocol with these teachers, of which a group names one or several."""
    return HEAD.replace("GROUP", group) + teachers


@pytest.fixture
def chain(load: Load) -> Protocol:
    """big → ta → last, the mean of big and ta, and a start that is distilled from that mean."""
    return load(text=text(CHAIN, "[big, ta, last, both], start: [random, warm]"))


def expected(protocol: Protocol) -> dict[str, Expected]:
    return expected_hashes(protocol, protocol.seeds, "reference", {}, NEWEST)


def test_what_others_come_from_is_made_before_them(chain: Protocol) -> None:
    names = [cell.name for cell in chain.cells if cell.role != "student"]
    assert names == ["teacher/big", "teacher/ta", "teacher/last", "teacher/both", "start/warm/small"]
    done: set[str] = set()
    for name, want in expected(chain).items():
        assert {f"{need}/seed-{want.run.seed}" for need in want.run.cell.needs} <= done
        done.add(name)


def test_a_link_of_a_chain_is_a_cell_like_others(chain: Protocol) -> None:
    ta, last, both = (chain.cell(f"teacher/{name}") for name in ("ta", "last", "both"))
    assert (ta.method.key, ta.teacher, ta.generation) == ("kd", "teacher/big", 1)
    assert (last.method.key, last.teacher, last.generation) == ("dkd", "teacher/ta", 2)
    assert (last.training.epochs, last.training.optimizer.lr) == (3, 1e-3)
    assert {each.cell: each.weight for each in both.members} == {"teacher/big": 0.75, "teacher/ta": 0.25}
    assert both.needs == ("teacher/big", "teacher/ta")
    assert not both.train
    start = chain.cell("start/warm/small")
    assert (start.method.key, start.teacher, start.needs) == ("kd", "teacher/both", ("teacher/both",))
    assert method_location(ta, chain.spec, ("T",)) == ("teachers", "ta", "kd", "T")
    assert method_location(start, chain.spec) == ("starts", "warm", "kd")


def test_what_a_link_comes_from_is_told_in_words(chain: Protocol) -> None:
    said = {cell.name: comes_from(resolved(cell)) for cell in chain.cells if cell.role != "student"}
    assert said == {
        "teacher/big": "",
        "teacher/ta": "distilled from teacher/big (kd)",
        "teacher/last": "distilled from teacher/ta (dkd)",
        "teacher/both": "mean of teacher/big (0.75), teacher/ta (0.25)",
        "start/warm/small": "distilled from teacher/both (kd)",
    }


def test_a_mean_is_evaluated_by_one_process(load: Load) -> None:
    """It trains nothing that several could share."""
    whole = text(CHAIN, "both").replace("epochs: 4}", "epochs: 4, processes_per_run: 2}")
    protocol = load(text=whole)
    processes = {
        name: protocol.cell(f"teacher/{name}").training.processes_per_run for name in ("big", "both")
    }
    assert processes == {"big": 2, "both": 1}


def test_a_list_of_teachers_is_their_plain_mean(load: Load) -> None:
    several = "teachers:\n  a: cnn\n  b: {model: cnn, epochs: 5}\n  c: {mean_of: [a, b]}\n"
    protocol = load(text=text(several.replace("a: cnn", "a: {model: cnn}"), "[a, c]"))
    assert [member.weight for member in protocol.cell("teacher/c").members] == [0.5, 0.5]


def test_every_cohort_has_one_teacher(chain: Protocol) -> None:
    """A mean is one teacher of one cohort, which hears each of its networks once a batch."""
    there = cohorts(chain.cells, (0,))
    assert [cohort.teacher.cell.name for cohort in there if cohort.teacher] == [
        f"teacher/{name}" for name in ("big", "ta", "last", "both")
    ]
    assert lone_cells(chain.cells) == ""


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        (("hidden: 64", "hidden: 32"), {"big", "ta", "last", "both", "warm"}),
        (("teacher: big, kd: {T: 4", "teacher: big, kd: {T: 3"), {"ta", "last", "both", "warm"}),
        (("dkd: {preset: paper, ", "dkd: {b: 4, "), {"last"}),
        (("{big: 3, ta: 1}", "{big: 2, ta: 1}"), {"both", "warm"}),
        (("{big: 3, ta: 1}", "{big: 3, last: 1}"), {"both", "warm"}),
        (("kd: {T: 2,", "kd: {T: 3,"), {"warm"}),
    ],
)
def test_a_hash_covers_all_that_a_run_comes_from(
    load: Load, change: tuple[str, str], moved: set[str]
) -> None:
    whole = text(CHAIN, "[big, ta, last, both], start: [random, warm]")
    assert change[0] in whole
    before, after = (expected(load(text=each)) for each in (whole, whole.replace(*change)))
    for run in ("baseline-random", "kd-T4-a0.5-random-ta", "kd-T4-a0.5-random-both", "kd-T4-a0.5-warm-big"):
        name = f"main/small/{run}/seed-0"
        comes = {"warm", "big"} if "warm" in run else {run.rsplit("-", 1)[1]}
        assert (before[name].run_hash != after[name].run_hash) is bool(comes & moved), name
    for name in ("teacher/big", "teacher/ta", "teacher/last", "teacher/both", "start/warm/small"):
        differs = before[f"{name}/seed-1"].run_hash != after[f"{name}/seed-1"].run_hash
        assert differs is (name.split("/")[1] in moved), name


def test_a_mean_that_says_the_same_has_the_same_hash(load: Load) -> None:
    whole = text(CHAIN, "both")
    same = whole.replace("{big: 3, ta: 1}", "{big: 0.75, ta: 0.25}")
    assert {n: w.run_hash for n, w in expected(load(text=whole)).items()} == {
        n: w.run_hash for n, w in expected(load(text=same)).items()
    }


def test_what_teaches_a_start_is_there_at_every_seed(load: Load) -> None:
    """A start is made for baselines too, which may have more seeds than what is distilled."""
    seeds = "seeds: {baseline: 9, distilled: 7}\nanalysis: {test: unpaired}\n"
    whole = text(CHAIN, "[big, last], start: [random, warm]").replace("seeds: 2\n", seeds)
    protocol = load(text=whole)
    assert {cell.name for cell in protocol.cells if cell.role != "student" and cell.runs_at(8)} == {
        *("teacher/big", "teacher/ta", "teacher/both", "start/warm/small")
    }
    assert expected(protocol)["start/warm/small/seed-8"].teacher_hash


@pytest.mark.parametrize(
    ("teachers", "message"),
    [
        ("a: {model: cnn, teacher: a, kd: true}", "the teacher comes from itself: a → a"),
        (
            "a: {model: cnn, teacher: b, kd: true}\n  b: {mean_of: [c, d]}\n"
            "  c: {model: cnn, teacher: a, kd: true}\n  d: {model: cnn}\n"
            "  e: {model: cnn, teacher: a, dkd: true}",
            "the teacher comes from itself: a → b → c → a",
        ),
        ("a: {model: cnn, teacher: z, kd: true}", "unknown teacher 'z'"),
        ("a: {model: cnn, kd: true}\n  b: {model: cnn, epochs: 3}", "kd needs a teacher, and none is named"),
        (
            "b: {model: cnn}\n  a: {model: cnn, teacher: b}",
            "there is a teacher and no method",
        ),
        (
            "b: {model: cnn}\n  a: {model: cnn, teacher: b, kd: {T: [1, 2]}}",
            "this is one network, and its grid has 2 points",
        ),
        (
            "b: {model: cnn}\n  a: {model: cnn, teacher: b, kd: {teacher: b}}",
            "teacher stands beside kd, not in it",
        ),
        (
            "b: {model: cnn}\n  a: {model: cnn, teacher: b, kd: true, dkd: true}",
            "a network is distilled by one method, not by kd and dkd",
        ),
        (
            "b: {model: cnn}\n  a: {model: cnn, teacher: b, kd: true, per_seed: false}",
            "teacher/a is trained once for all seeds, and its teacher teacher/b for each",
        ),
        (
            "b: {model: cnn}\n  a: {model: cnn, teacher: b, kd: true, train: false}",
            "teacher, kd cannot be set for a teacher with train: false",
        ),
        (
            "b: {model: cnn}\n  c: {model: cnn, epochs: 2}\n  a: {model: cnn, teacher: [b, c], kd: true}",
            "a network has one teacher; declare several as one: both: {mean_of: [a, b]}",
        ),
        ("b: {model: cnn}\n  a: {model: cnn, teacher: b, mlkd: true}", "mlkd compares a weak and a strong"),
        ("b: {model: cnn}\n  a: {mean_of: [b]}", "mean_of needs at least 2"),
        ("b: {model: cnn}\n  a: {mean_of: [b, b]}", "b is named twice; give it a weight instead: {b: 2}"),
        ("b: {model: cnn}\n  a: {mean_of: [b, z]}", "unknown teacher 'z'"),
        ("b: {model: cnn}\n  a: {mean_of: [b, c], epochs: 2}", "unknown key 'epochs'"),
        (
            "b: {model: cnn}\n  c: {model: cnn, epochs: 2}\n  m: {mean_of: [b, c]}\n"
            "  a: {model: cnn, teacher: m, feature: {layers: [pool1]}}",
            "feature compares layers, and m is the mean of several networks",
        ),
    ],
)
def test_what_cannot_be_is_one_message(load: Load, teachers: str, message: str) -> None:
    with pytest.raises(ProtocolError) as error:
        load(text=text(f"teachers:\n  {teachers}\n"))
    first, *more = error.value.message.splitlines()
    assert first.split(": ", 1)[1].startswith(message)
    assert not more


def test_the_only_teacher_has_none_of_its_own(load: Load) -> None:
    whole = text("teacher: {model: cnn, teacher: big, kd: true}\n").replace("teacher: a, ", "")
    with pytest.raises(ProtocolError, match="unknown teacher 'big'") as error:
        load(text=whole)
    assert error.value.hint == "declare it under teachers:"


def test_generations_of_one_kind_are_told_apart(chain: Protocol) -> None:
    """Equal architectures in a chain: what differs in a hash is what they come from."""
    wanted = expected(chain)
    ta, last = (wanted[f"teacher/{name}/seed-0"] for name in ("ta", "last"))
    assert replace(ta.run.cell, name="") != replace(last.run.cell, name="")
    assert ta.teacher_hash == wanted["teacher/big/seed-0"].run_hash
    assert last.teacher_hash == ta.run_hash
