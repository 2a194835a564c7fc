"""Expansion: which cells a group stands for, what they resolve to, and how they are named."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.errors import InputError, ProtocolError
from rigorkd.methods.kd import KD
from rigorkd.models.model import PathStart
from rigorkd.problems import ExpansionError
from rigorkd.protocol.expand import expand
from rigorkd.protocol.hashes import identity
from rigorkd.protocol.load import Protocol
from rigorkd.protocol.schema import AdamW, Spec
from rigorkd.protocol.tree import parse

Load = Callable[..., Protocol]

GRID = "    kd: {T: [1, 4], alpha: [0.1, 0.5]}"
TEACHER = "teacher: {model: {name: cnn, channels: [16, 32]}}"
BASELINE = "    baseline: true"


def names(protocol: Protocol, student: str = "small") -> list[str]:
    """Names of one student's cells in the group `main`, without `main/<student>/`."""
    start = f"main/{student}/"
    return [cell.name.removeprefix(start) for cell in protocol.cells if cell.name.startswith(start)]


def test_the_plain_case(load: Load) -> None:
    protocol = load()
    assert [cell.name for cell in protocol.cells] == [
        "teacher",
        *(
            f"main/{student}/{rest}"
            for student in ("small", "large")
            for rest in ("baseline", "kd-T1-a0.1", "kd-T1-a0.5", "kd-T4-a0.1", "kd-T4-a0.5")
        ),
    ]
    cell = protocol.cell("main/small/kd-T4-a0.1")
    assert isinstance(cell.method, KD)
    assert (cell.method.T, cell.method.ce_weight, cell.method.kd_weight) == (4.0, 0.1, 0.9)
    assert cell.needs == ("teacher",)
    assert protocol.cell("main/small/baseline").needs == ()
    assert protocol.cell("main/small/baseline").teacher == "teacher"


def test_an_unknown_cell_offers_the_nearest(load: Load) -> None:
    with pytest.raises(InputError, match=r"did you mean 'main/small/baseline'"):
        load().cell("main/small/baselin")


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("kd: true", ["kd-T4-a0.5"]),
        ("kd: {T: 2.5}", ["kd-T2.5-a0.5"]),
        ("kd: {preset: crd}", ["kd-T4-a0.1"]),
        ("kd: {preset: [paper, crd], T: 3}", ["kd-T3-a0.5", "kd-T3-a0.1"]),
        ("kd: {preset: crd, ce_weight: 0.1, kd_weight: 9}", ["kd-T4-ce0.1-kd9"]),
        ("kd: {ce_weight: 0.25, kd_weight: 0.75}", ["kd-T4-a0.25"]),
        ("kd: {ce_weight: 0, kd_weight: 1}", ["kd-T4-a0"]),
        ("kd: {direction: [forward, reverse]}", ["kd-T4-a0.5", "kd-T4-a0.5-reverse"]),
        ("kd: {t_squared: [true, false]}", ["kd-T4-a0.5", "kd-T4-a0.5-no-t2"]),
        ("kd: {standardize: true}", ["kd-T4-a0.5-std"]),
        ("kd: [{T: [2, 4]}, {T: 4, alpha: [0.3, 0.5]}]", ["kd-T2-a0.5", "kd-T4-a0.5", "kd-T4-a0.3"]),
        ("kd: {T: [4, {linear: [1, 8]}]}", ["kd-T4-a0.5", "kd-T1to8-a0.5"]),
        ("kd: {T: {step: {at: [1, 3], values: [4, 1]}}}", ["kd-T4at1-1at3-a0.5"]),
        ("kd: {alpha: {cosine: [0.2, 0.8]}}", ["kd-T4-a0.2cos0.8"]),
        ("kd: {lr: [1e-3, 3e-3]}", ["kd-T4-a0.5", "kd-T4-a0.5-lr0.003"]),
        ("kd: {T: 1e-5}", ["kd-T1e-05-a0.5"]),
        ("kd: {T: 1e6}", ["kd-T1e06-a0.5"]),
        ("dkd: {preset: paper}", ["dkd-T4-tckd1-nckd8"]),
        ("dkd: {b: [2, 8], warmup: 5}", ["dkd-T4-tckd1-nckd2-w5", "dkd-T4-tckd1-nckd8-w5"]),
        ("lskd: [true, {alpha: 0.5}]", ["lskd-T2", "lskd-T2-a0.5"]),
        ("eakd: {entropy_bound: [log_classes, classes]}", ["eakd-T4-a0.1", "eakd-T4-a0.1-bound-classes"]),
        ("ctkd: true", ["ctkd-a0.1"]),
        ("dist: {tau: [1, 4]}", ["dist-tau1", "dist-tau4"]),
        ("rld: {T_a: [1, 4]}", ["rld-T4-scd1-mcd8", "rld-T4-scd1-mcd8-Ta4"]),
        ("feature: {layers: [layer1, layer2]}", ["feature-a0.5-layer1_layer2"]),
        ("feature: {layers: [[layer1, layer2], [layer3]]}",
         ["feature-a0.5-layer1_layer2", "feature-a0.5-layer3"]),
        ("matched_smoothing: {scope: [instance, global]}",
         ["matched_smoothing-T4-a0.5", "matched_smoothing-T4-a0.5-global"]),
        ("permuted_tail: {keep: [1, 3]}", ["permuted_tail-T4-a0.5-keep1", "permuted_tail-T4-a0.5-keep3"]),
        ("baseline: {label_smoothing: [0, 0.1]}", ["baseline", "baseline-ls0.1"]),
        ("baseline: [true, {weight_decay: 0.1}]", ["baseline", "baseline-wd0.1"]),
    ],
)  # fmt: skip
def test_methods_and_their_names(load: Load, grid: str, expected: list[str]) -> None:
    assert names(load((BASELINE + "\n" + GRID, f"    {grid}"))) == expected


def test_lists_by_nature_of_mlkd(load: Load) -> None:
    views = "views: {strong: [{randaugment: {n: 2}}]}\nstudents:"
    protocol = load(("students:", views), (GRID, "    mlkd: {temperatures: [[4, 2], [3]]}"))
    assert names(protocol) == ["baseline", "mlkd-T4_2", "mlkd-T3"]


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("epochs: [2, 4]", ["-e2", "-e4"]),
        ("epochs: 2", [""]),
        ("batch_size: [16, 64]", ["-bs16", "-bs64"]),
        ("optimizer: [{name: adamw, lr: 0.1}, {name: sgd, lr: 0.1}]", ["-adamw", "-sgd"]),
        ("optimizer: [{name: sgd, lr: 0.1}, {name: sgd, lr: 0.2}]", ["-sgd", "-sgd-lr0.2"]),
        ("optimizer: {name: sgd, lr: [0.1, 0.2]}", ["-lr0.1", "-lr0.2"]),
        ("schedule: [cosine, constant]", ["-cosine", "-constant"]),
        ("schedule: {name: cosine, warmup_epochs: [0, 2]}", ["-w0", "-w2"]),
        ("clip_norm: [null, 1, {max: 1, per: layer}]", ["-no-clip", "-clip1", "-clip1-layer"]),
        ("precision: [fp32, bf16]", ["-fp32", "-bf16"]),
        ("select: [best_val_top1, last]", ["-best_val_top1", "-last"]),
        ("label_smoothing: [0, 0.1]", ["-ls0", "-ls0.1"]),
        ("early_stopping: [null, {patience: 2}]", ["-no-es", "-es2"]),
        ("start: [random, {path: weights/Old Net.safetensors}]", ["-random", "-old-net"]),
        ("views: {size: [8, 16]}", ["-size8", "-size16"]),
        ("views: {train: [[], [{random_crop: 1}], [{random_crop: 1}, horizontal_flip]]}",
         ["-plain", "-crop", "-crop.flip"]),
        ("views: [{size: 8}, {size: 16, train: [horizontal_flip]}]", ["-size8", "-size16-flip"]),
        ("views: {mix: [null, {}]}", ["-no-mix", "-mix"]),
    ],
)  # fmt: skip
def test_axes_and_their_names(load: Load, axis: str, expected: list[str]) -> None:
    protocol = load((BASELINE + "\n" + GRID, f"    {axis}\n    baseline: true"))
    assert names(protocol) == [f"baseline{label}" for label in expected]


def test_axes_follow_in_one_order(load: Load) -> None:
    group = (
        "    epochs: [2, 4]\n    views: {size: [8, 16]}\n    start: [random, {path: w.st}]\n    kd: {lr: 0.1}"
    )
    protocol = load((BASELINE + "\n" + GRID, group))
    assert names(protocol)[-1] == "kd-T4-a0.5-lr0.1-w-size16-e4"
    assert len(names(protocol)) == 8


def test_names_do_not_change_when_an_axis_grows(load: Load) -> None:
    axis = "    optimizer: [{{name: sgd, lr: 0.1}}, {{name: sgd, lr: 0.2}}{}]\n    baseline: true"
    before = names(load((BASELINE + "\n" + GRID, axis.format(""))))
    after = names(load((BASELINE + "\n" + GRID, axis.format(", {name: sgd, lr: 0.2, momentum: 0}"))))
    assert after[:2] == before
    assert len(set(after)) == 3


def test_views_are_laid_over_key_by_key(load: Load) -> None:
    views = "views: {size: 16, train: [horizontal_flip]}\nstudents:"
    protocol = load(("students:", views), (BASELINE, "    views: {size: 12}\n    baseline: true"))
    cell = protocol.cell("main/small/baseline")
    assert cell.views.size == 12
    assert [op.op for op in cell.views.train] == ["horizontal_flip"]
    assert protocol.cell("teacher").views.size == 16


def test_a_training_key_is_replaced_whole(load: Load) -> None:
    protocol = load(
        ("lr: 1e-3}", "lr: 1e-3, weight_decay: 0.3}"),
        (BASELINE, "    optimizer: {name: adamw, lr: 1}\n    baseline: true"),
    )
    assert protocol.cell("main/small/baseline").training.optimizer == AdamW(name="adamw", lr=1.0)


def test_baselines_do_not_multiply_over_teachers_nor_over_what_teachers_see(load: Load) -> None:
    protocol = load(
        (TEACHER, "teachers: {a: {model: cnn}, b: {model: {name: cnn, hidden: 8}}}"),
        (BASELINE, "    teacher: [a, b]\n    views: {teacher: [same, clean]}\n    baseline: true"),
        (GRID, "    kd: true"),
    )
    assert names(protocol) == [
        "baseline",
        "kd-T4-a0.5-a-same",
        "kd-T4-a0.5-a-clean",
        "kd-T4-a0.5-b-same",
        "kd-T4-a0.5-b-clean",
    ]
    assert protocol.cell("main/small/baseline").teacher == "teacher/a"
    assert protocol.cell("main/small/kd-T4-a0.5-b-clean").needs == ("teacher/b",)


def test_a_grid_may_pick_among_the_teachers_of_its_group(load: Load) -> None:
    protocol = load(
        (TEACHER, "teachers: {a: {model: cnn}, b: {model: {name: cnn, hidden: 8}}}"),
        (BASELINE, "    teacher: [a, b]\n    baseline: true"),
        (GRID, "    kd: [{teacher: a, T: 1}, {teacher: b, T: 2}]"),
    )
    assert names(protocol) == ["baseline", "kd-T1-a0.5-a", "kd-T2-a0.5-b"]


def test_starts_that_are_runs(load: Load) -> None:
    starts = "starts: {first: {from: random, epochs: 2}, second: {from: first, epochs: 3}}\nseeds: 3"
    protocol = load(("seeds: 3", starts), (BASELINE, "    start: [random, second]\n    baseline: true"))
    roles = [(cell.name, cell.role, cell.needs) for cell in protocol.cells if cell.role == "start"]
    assert roles == [
        ("start/first/small", "start", ()),
        ("start/second/small", "start", ("start/first/small",)),
        ("start/first/large", "start", ()),
        ("start/second/large", "start", ("start/first/large",)),
    ]
    assert protocol.cell("start/second/small").training.epochs == 3
    assert protocol.cell("main/small/kd-T1-a0.1-second").needs == ("teacher", "start/second/small")
    assert [cell.role for cell in protocol.cells] == sorted(
        (cell.role for cell in protocol.cells), key=["teacher", "start", "student"].index
    )


def test_students_of_one_model_share_a_start(load: Load) -> None:
    protocol = load(
        (
            "large: {model: {name: cnn, channels: [8, 16]}}",
            "large: {model: {name: cnn, channels: [8]}, start: s}",
        ),
        ("seeds: 3", "starts: {s: {}}\nseeds: 3"),
    )
    assert [cell.name for cell in protocol.cells if cell.role == "start"] == ["start/s/small"]
    assert protocol.cell("main/large/baseline").start_cell == "start/s/small"


def test_a_teacher_read_from_a_file_is_the_same_for_every_seed(load: Load) -> None:
    protocol = load((TEACHER, "teacher: {model: cnn, start: {path: t.safetensors}, train: false}"))
    teacher = protocol.cell("teacher")
    assert (teacher.per_seed, teacher.train, teacher.start) == (False, False, PathStart(path="t.safetensors"))
    with pytest.raises(ProtocolError, match="same for every seed"):
        load((TEACHER, "teacher: {model: cnn, start: {path: t.st}, train: false, per_seed: true}"))


def test_a_shared_teacher_needs_one_split(load: Load) -> None:
    changes = (TEACHER, "teacher: {model: cnn, per_seed: false}"), ("seed: 7", "seed: per_seed")
    with pytest.raises(ProtocolError, match="trained once for all seeds") as caught:
        load(*changes)
    assert caught.value.line == 3


@pytest.mark.parametrize("method", ["dkd", "rld"])
def test_methods_that_two_classes_leave_nothing_to(load: Load, method: str) -> None:
    data = "dataset: {name: synthetic, classes: 2, split: {val: 100}}\ntraining:"
    old = "dataset: {name: digits, split: {train: 600, val: 300, test: 600, seed: 7}}\ntraining:"
    with pytest.raises(ProtocolError, match="undefined for two classes"):
        load((old, data), (GRID, f"    {method}: true"))


def test_a_grid_without_end_is_refused(load: Load) -> None:
    many = ", ".join(str(k) for k in range(1, 200))
    with pytest.raises(ProtocolError, match="more than 10,000 cells"):
        load((GRID, f"    kd: {{T: [{many}], alpha: [{', '.join(f'0.{k:04d}' for k in range(1, 200))}]}}"))


def test_an_expansion_error_says_where_and_what(valid: str) -> None:
    spec = Spec.model_validate(parse(valid.replace("alpha: [0.1, 0.5]", "alpha: 2")).plain())
    with pytest.raises(ExpansionError) as caught:
        expand(spec)
    (problem,) = caught.value.problems
    assert problem.path == ("groups", "main", "kd", "alpha")
    assert "alpha must be at most 1" in problem.message


TEXT = (
    """
rigorkd: 1
study: tiny
dataset: {name: digits, split: {val: 300, test: 600}}
training: {optimizer: {name: adamw, lr: 1e-3}, epochs: 4}
teacher: {model: {name: cnn, channels: [16, 32]}}
students: {small: {model: {name: cnn, channels: [8]}}, large: {model: {name: cnn, channels: [8, 16]}}}
groups:
  main:
    baseline: true
"""
    + GRID
)
temperatures = st.lists(st.integers(1, 400).map(lambda n: n / 10), min_size=1, max_size=4, unique=True)
alphas = st.lists(st.integers(0, 100).map(lambda n: n / 100), min_size=1, max_size=4, unique=True)
epochs = st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True)


@given(T=temperatures, alpha=alphas, length=epochs)
def test_a_grid_is_a_product_with_unique_readable_names(
    T: list[float], alpha: list[float], length: list[int]
) -> None:
    text = TEXT.replace(GRID, f"    epochs: {length}\n    kd: {{T: {T}, alpha: {alpha}}}")
    cells = expand(Spec.model_validate(parse(text).plain()))
    students = [cell for cell in cells if cell.role == "student"]
    assert len(students) == 2 * len(length) * (1 + len(T) * len(alpha))
    assert len({cell.name for cell in cells}) == len({identity(cell) for cell in cells}) == len(cells)
    pattern = r"main/(small|large)/(baseline|kd-T[0-9.]+-a[0-9.]+)(-e\d+)?"
    assert all(re.fullmatch(pattern, cell.name) for cell in students)
    assert {cell.training.epochs for cell in students} == set(length)
    edges = expand(Spec.model_validate(parse(text).plain()), edges=True)
    assert {cell.name for cell in edges} <= {cell.name for cell in cells}
    assert len(edges) == 1 + 2 * min(2, len(length)) * (1 + min(2, len(T)) * min(2, len(alpha)))
