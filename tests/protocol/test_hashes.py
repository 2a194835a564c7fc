"""Run hashes cover what shapes a run's bits and nothing else; resolved cells read well."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.errors import ProtocolError
from rigorkd.fields import HASHED
from rigorkd.methods.registry import METHODS
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.cohorts import gain_pairs, lone_cells
from rigorkd.protocol.hashes import (
    canonical,
    cell_shape,
    digest,
    explain_difference,
    identity,
    resolved,
    run_hash,
    training_key,
    views_key,
)
from rigorkd.protocol.load import Protocol

Load = Callable[..., Protocol]

KD = "main/small/kd-T4-a0.5"
BASELINE = "main/small/baseline"


def hashed(cell: Cell, seed: int | None = 0, **changes: Any) -> str:
    facts: dict[str, Any] = {
        "data_checksum": "d",
        "teacher_hash": "t",
        "start_hash": None,
        "mode": "reference",
        "precision": "fp32",
        **changes,
    }
    return run_hash(Run(cell, seed), **facts)


def test_a_hash_is_sha256_hex(load: Load) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", hashed(load().cell(KD)))


@pytest.mark.parametrize("name", [KD, BASELINE])
def test_a_hash_is_that_of_one_document(load: Load, name: str) -> None:
    cell = load().cell(name)
    document = {
        "numerics": 1,
        "cell": json.loads(cell_shape(cell)),
        "seed": 3,
        "data": "d",
        "teacher": "t" if cell.method.distils else None,
        "start": None,
        "mode": "reference",
        "precision": "fp32",
        "model_code": None,
    }
    assert hashed(cell, 3, numerics={}) == digest(document)
    assert hashed(cell, 3, numerics={}, shape=cell_shape(cell)) == digest(document)
    assert hashed(cell, 3, numerics={"engine": 2}) == digest({**document, "parts": {"engine": 2}})


@pytest.mark.parametrize(
    "change",
    [
        ("schedule: cosine", "schedule: {name: cosine, min_lr: 0}"),
        (
            "small: {model: {name: cnn, channels: [8]}}",
            "small: {model: {name: cnn, channels: [8], norm: true}}",
        ),
        ("lr: 1e-3}", "weight_decay: 0.01, betas: [0.9, 0.999], lr: 0.001}"),
        ("  batch_size: 32\n  epochs: 4", "  epochs: 4\n  batch_size: 32"),
        ("T: [1, 4]", "T: [1.0, 4.0]"),
        ("T: [1, 4]", "T: [4, 2]"),
        ("alpha: [0.1, 0.5]", "ce_weight: 0.5, kd_weight: 0.5"),
        ("alpha: [0.1, 0.5]", "direction: forward, alpha: 0.5"),
        ("seeds: 3", "seeds: [0, 9]\nanalysis: {sesoi: 1}"),
        ("seeds: 3", "  other: {epochs: 2, kd: true}\nseeds: 3"),
        ("study: tiny", "study: other"),
        ("large: {model: {name: cnn, channels: [8, 16]}}", "large: {model: {name: cnn, channels: [9]}}"),
        ("teacher: {model: {name: cnn, channels: [16, 32]}}", "teacher: {model: {name: cnn, channels: [9]}}"),
    ],
    ids=lambda change: change[1].replace("\n", " "),
)
def test_what_leaves_a_run_valid(load: Load, change: tuple[str, str]) -> None:
    assert hashed(load().cell(KD)) == hashed(load(change).cell(KD))


@pytest.mark.parametrize(
    "change",
    [
        ("lr: 1e-3", "lr: 2e-3"),
        ("lr: 1e-3", "lr: 1e-3, weight_decay: 0.1"),
        ("adamw", "adam"),
        ("epochs: 4", "epochs: 5"),
        ("batch_size: 32", "batch_size: 64"),
        ("epochs: 4", "epochs: 4\n  label_smoothing: 0.1"),
        ("epochs: 4", "epochs: 4\n  select: last"),
        ("epochs: 4", "epochs: 4\n  select: best_val_objective"),
        ("epochs: 4", "epochs: 4\n  ema: 0.999"),
        ("schedule: cosine", "schedule: {name: step, at: [2]}"),
        ("schedule: cosine", "schedule: linear"),
        ("seed: 7", "seed: 8"),
        ("train: 600", "train: 500"),
        ("name: digits", "name: digits, label_noise: 0.2"),
        ("small: {model: {name: cnn, channels: [8]}}", "small: {model: {name: cnn, channels: [7]}}"),
        (
            "small: {model: {name: cnn, channels: [8]}}",
            "small: {model: {name: cnn, channels: [8], norm: false}}",
        ),
        ("students:", "views: {size: 16}\nstudents:"),
        ("students:", "views: {train: [horizontal_flip]}\nstudents:"),
        ("alpha: [0.1, 0.5]", "alpha: 0.5, t_squared: [true, false]"),
    ],
    ids=lambda change: change[1],
)
def test_what_makes_a_run_stale(load: Load, change: tuple[str, str]) -> None:
    before, after = load().cell(BASELINE), load(change).cell(BASELINE)
    if "t_squared" in change[1]:
        before, after = load().cell(KD), load(change).cell(f"{KD}-no-t2")
    assert hashed(before) != hashed(after)
    assert explain_difference(resolved(before), after).count("→") >= 1


def test_every_outside_fact_counts(load: Load) -> None:
    cell = load().cell(KD)
    others = [
        {"seed": 1},
        {"seed": None},
        {"data_checksum": "e"},
        {"teacher_hash": "u"},
        {"start_hash": "s"},
        {"mode": "fast"},
        {"precision": "bf16"},
        {"model_code": "m"},
    ]
    assert len({hashed(cell), *(hashed(cell, **other) for other in others)}) == 1 + len(others)


def test_a_baseline_does_not_depend_on_its_teacher(load: Load) -> None:
    cell = load().cell(BASELINE)
    assert hashed(cell) == hashed(cell, teacher_hash="another") == hashed(replace(cell, teacher=None))
    clean = cell.views.model_copy(update={"teacher": "clean"})
    assert hashed(cell) == hashed(replace(cell, views=clean))
    distilled = load().cell(KD)
    assert hashed(distilled) != hashed(replace(distilled, views=clean))


def test_a_strong_view_counts_for_methods_that_need_one_alone(load: Load) -> None:
    """Adding mlkd to a study, and the strong view that it needs, leaves every other run valid."""
    mild, hard = (
        load(
            ("students:", f"views: {{strong: [{{randaugment: {{n: {n}}}}}]}}\nstudents:"),
            ("  main:\n", "  more: {students: small, mlkd: true}\n  main:\n"),
        )
        for n in (1, 2)
    )
    assert hashed(load().cell(KD)) == hashed(mild.cell(KD)) == hashed(hard.cell(KD))
    assert hashed(mild.cell("more/small/mlkd")) != hashed(hard.cell("more/small/mlkd"))


def test_names_and_places_of_files_do_not_count(load: Load) -> None:
    cell = load(("students:", "views: {size: 8}\nstudents:")).cell(KD)
    renamed = replace(cell, name="a/b/c", group="a", student="b", teacher="teacher/x")
    assert hashed(cell) == hashed(renamed)
    here = load(("small: {model", "small: {start: {path: here.st}, model")).cell(KD)
    there = load(("small: {model", "small: {start: {path: there.st}, model")).cell(KD)
    assert hashed(here, start_hash="w") == hashed(there, start_hash="w") != hashed(there, start_hash="v")
    assert identity(here) != identity(there)


def test_a_teacher_used_as_it_is_does_not_depend_on_how_students_train(load: Load) -> None:
    teacher = "teacher: {model: cnn, start: {path: t.st}, train: false}"
    old = "teacher: {model: {name: cnn, channels: [16, 32]}}"
    before = load((old, teacher)).cell("teacher")
    after = load(
        (old, teacher),
        ("epochs: 4", "epochs: 9"),
        ("students:", "views: {train: [horizontal_flip]}\nstudents:"),
    )
    assert hashed(before, None) == hashed(after.cell("teacher"), None)


def test_resolved_is_flat_and_complete(load: Load) -> None:
    flat = resolved(load().cell(KD))
    assert all(value is None or isinstance(value, str | int | float | bool) for value in flat.values())
    expected = {
        "method": "kd",
        "T": 4.0,
        "alpha": 0.5,
        "ce_weight": 0.5,
        "kd_weight": 0.5,
        "direction": "forward",
        "t_squared": True,
        "model": "cnn",
        "model_args": '{"channels":[8]}',
        "start": "random",
        "teacher": "teacher",
        "epochs": 4,
        "batch_size": 32,
        "optimizer": "adamw",
        "lr": 0.001,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "early_stopping": None,
    }
    assert {key: flat[key] for key in expected} == expected
    assert not {"cell", "group", "student", "seed"} & set(flat)


def test_a_difference_is_told_in_words(load: Load) -> None:
    before = resolved(load().cell(KD))
    after = load(("epochs: 4", "epochs: 30"), ("seed: 7", "seed: 8")).cell(KD)
    assert explain_difference(before, after) == (
        "epochs: 4 → 30; dataset.split: "
        '{"per_class":false,"seed":7,"test":600,"train":600,"val":300} → '
        '{"per_class":false,"seed":8,"test":600,"train":600,"val":300}'
    )
    assert explain_difference(before, load().cell(KD)) == ""


def test_keys_for_matching_baselines(load: Load) -> None:
    protocol = load(
        ("seeds: 3", "  other: {epochs: 9, views: {teacher: clean}, baseline: {lr: 0.5}, kd: true}\nseeds: 3")
    )
    baseline, distilled = protocol.cell(BASELINE), protocol.cell(KD)
    other = protocol.cell("other/small/kd-T4-a0.5")
    assert training_key(baseline) == training_key(distilled) == training_key(other)
    assert training_key(baseline) != training_key(protocol.cell("other/small/baseline-lr0.5"))
    assert views_key(baseline) == views_key(other)


def _leaves() -> st.SearchStrategy[Any]:
    return (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
    )


def _shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shuffled(item) for key, item in reversed(value.items())}
    if isinstance(value, list):
        return tuple(map(_shuffled, value))
    return (
        float(value)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
        else value
    )


@given(
    st.recursive(_leaves(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)
)
def test_canonical_forms_ignore_order_and_the_spelling_of_numbers(value: Any) -> None:
    assert canonical(value) == canonical(_shuffled(value))


def test_no_method_parameter_hides_a_training_key(load: Load) -> None:
    cell = load().cell(BASELINE)
    plain = set(resolved(cell)) - set(type(cell.method).model_fields)
    for kind in METHODS.values():
        assert not plain & set(kind.model_fields), kind.key
        assert set(resolved(replace(cell, method=kind()))) == plain | set(kind.model_fields)


def test_stream_0_is_what_a_baseline_was_before_there_were_streams(load: Load) -> None:
    plain = load().cell(BASELINE)
    streams = load(("    baseline: true", "    baseline: {stream: [0, 1, 2]}"))
    names = [BASELINE, f"{BASELINE}-stream1", f"{BASELINE}-stream2"]
    assert [cell.name for cell in streams.cells if cell.name in names] == names
    assert "stream" not in cell_shape(plain)
    assert hashed(streams.cell(BASELINE)) == hashed(plain)
    assert len({hashed(streams.cell(name)) for name in names}) == 3
    assert explain_difference(resolved(plain, HASHED), streams.cell(names[1])) == "stream: its default → 1"


def test_a_gain_is_over_the_baseline_that_sees_the_same_batches(load: Load) -> None:
    cells = load(("    baseline: true", "    baseline: {stream: [1, 0]}")).cells
    pairs = dict(gain_pairs(cells, cells))
    assert len(pairs) == 8
    assert {pair.removesuffix("/baseline") for pair in pairs.values()} == {"main/small", "main/large"}
    assert not lone_cells(cells)


@pytest.mark.parametrize("stream", [-1, 1.5, True])
def test_a_stream_is_a_count(load: Load, stream: Any) -> None:
    with pytest.raises(ProtocolError, match=r"stream"):
        load(("    baseline: true", f"    baseline: {{stream: {str(stream).lower()}}}"))
