"""Evaluations that keep single items: groups of tasks, passages, epochs; what is no mean; what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from rigorkd_analysis.stats.new_images import ImageComparison
from scipy import stats

from rigorkd.report.judging import Question, analysis_of

TIME = "2026-10-01T10-00-00.123456"
TASKS = {"bench_law": 12, "bench_sums": 6, "bench_maps": 9}
RIGHT = {
    (model, seed): {
        task: (np.random.default_rng([model == "kd", seed, size]).random(size) < share).astype(int).tolist()
        for task, size in TASKS.items()
    }
    for model, share in (("baseline", 0.4), ("kd", 0.7))
    for seed in range(3)
}
"""Of two models at three seeds, which items of three tasks are right."""


def sample(at: int, task: str, right: int, **more: Any) -> dict[str, Any]:
    return {
        "doc_id": at, "doc": {"q": f"{task} {at}"}, "target": "0", "arguments": {}, "resps": [[]],
        "filtered_resps": [], "filter": "none", "metrics": ["acc", "ll"], "doc_hash": f"{task}{at:x}",
        "prompt_hash": "p", "target_hash": "t", "acc": float(right), "ll": -1.5 - at, **more,
    }  # fmt: skip


def results(model: str, seed: int, values: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "results": values, "configs": {}, "versions": dict.fromkeys(values, 1), "n-shot": {},
        "model_name": f"ckpts/{model}-s{seed}", "config": {"model": "hf", "random_seed": 0}, **more,
    }  # fmt: skip


def of_group(right: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Values as the harness gives them for a group weighted by size."""
    every = [one for own in right.values() for one in own]
    values: dict[str, Any] = {"bench": {"acc,none": np.mean(every), "acc_stderr,none": 0.1, "alias": "bench"}}
    for task, own in right.items():
        values[task] = {"alias": f" - {task}", "acc,none": np.mean(own), "acc_stderr,none": 0.1}
    return values


def write_harness(folder: Any, *, samples: bool = True, values: Any = of_group, doc: Any = None) -> None:
    for (model, seed), right in RIGHT.items():
        place = f"out/ckpts__{model}-s{seed}"
        group = {"bench": list(TASKS)} if "bench" in values(right) else {}
        told = results(model, seed, values(right), group_subtasks=group)
        folder.write(f"{place}/results_{TIME}.json", json.dumps(told))
        for task, own in right.items() if samples else ():
            rows = [sample(at, task, one, **({"doc": doc(at)} if doc else {})) for at, one in enumerate(own)]
            folder.write(f"{place}/samples_{task}_{TIME}.jsonl", "\n".join(map(json.dumps, rows)))


def images(folder: Any, *sources: str, **asked: Any) -> Iterator[ImageComparison]:
    yield from analysis_of(folder.open(*sources, **asked), Question()).images


def by_hand(groups: Sequence[np.ndarray]) -> tuple[float, float]:
    """Mean and clustered error over seeds and clusters, of each cluster's (seeds, items) differences.

    Two-way: that of the clusters' sums, plus that of the seeds', less that of both at once.
    """
    N, G, n = sum(d.shape[1] for d in groups), len(groups), groups[0].shape[0]
    mean = sum(d.mean(axis=0).sum() for d in groups) / N
    sums = np.array([(d - mean).sum(axis=1) for d in groups])  # (clusters, seeds)
    both = sums - sums.mean(axis=0) - sums.mean(axis=1, keepdims=True) + sums.mean()
    clusters = G / (G - 1) * (sums.mean(axis=1) ** 2).sum() / N**2
    seeds = n / (n - 1) * (sums.sum(axis=0) ** 2).sum() / (n * N) ** 2
    less = G * n / ((G - 1) * (n - 1)) * (both**2).sum() / (n * N) ** 2
    return mean, max(clusters + seeds - less, seeds) ** 0.5


def test_a_group_of_tasks_is_one_row_whose_items_are_clustered_by_task(folder):
    write_harness(folder)
    source = folder.open("out", metric="acc")
    assert source.tidy is not None
    assert set(source.table["task"]) == {"bench"}
    assert any("judged together as bench" in text for text in source.tidy.dropped)
    (one,) = analysis_of(source, Question(metric="acc")).images
    assert (one.images, one.clusters, one.n, one.unit) == (27, 3, 3, "items")
    difference = [
        np.array([np.subtract(RIGHT["kd", s][task], RIGHT["baseline", s][task]) for s in range(3)]) * 100.0
        for task in TASKS
    ]
    mean, se = by_hand(difference)
    assert one.a.endswith("baseline")
    assert -one.mean_diff == pytest.approx(mean)
    assert one.df is not None
    assert one.ci_high is not None
    half = (one.ci_high - one.mean_diff) / stats.t.ppf(0.975, one.df)
    assert half == pytest.approx(se)
    alone = [str(folder.path / "out" / "*" / f"samples_{task}_*.jsonl") for task in TASKS]
    found = images(folder, alone[0], metric="acc")
    assert [(own.images, own.clusters) for own in found] == [(12, None)]


def test_runs_that_were_scored_on_other_items_are_named_with_the_items(folder):
    def scored(model: str, seed: int) -> list[int]:
        return [at for at in range(12) if (model, seed) != ("kd", 1) or at not in (4, 7)]

    for (model, seed), right in RIGHT.items():
        place, own = f"out/ckpts__{model}-s{seed}", right["bench_law"]
        kept = [own[at] for at in scored(model, seed)]
        told = results(model, seed, {"bench_law": {"acc,none": np.mean(kept)}})
        folder.write(f"{place}/results_{TIME}.json", json.dumps(told))
        rows = [sample(at, "bench_law", own[at]) for at in scored(model, seed)]
        folder.write(f"{place}/samples_bench_law_{TIME}.jsonl", "\n".join(map(json.dumps, rows)))
    found = analysis_of(folder.open("out", metric="acc"), Question(metric="acc"))
    assert found.images == ()
    (note,) = [text for text in found.warnings if "different items" in text]
    assert note.endswith(
        ": ckpts/kd/seed-1 without 2 items (bench_law4, bench_law7) beside ckpts/baseline/seed-0"
    )
    write_harness(folder)
    found = analysis_of(folder.open("out", metric="acc"), Question(metric="acc"))
    assert not any("different items" in text for text in found.warnings)


def test_a_group_that_is_no_mean_over_its_items_has_none(folder):
    def macro(right: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        values = of_group(right)
        values["bench"]["acc,none"] = float(np.mean([np.mean(own) for own in right.values()]))
        return values

    write_harness(folder, values=macro)
    source = folder.open("out", metric="acc")
    expected = [np.mean([np.mean(own) for own in RIGHT["kd", s].values()]) for s in range(3)]
    kd = source.table[source.table["cell"].str.contains("kd")]
    assert kd["acc"].astype(float).tolist() == pytest.approx(expected)
    assert analysis_of(source, Question(metric="acc")).images == ()


def test_questions_on_one_passage_are_one_cluster(folder):
    def tasks_alone(right: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        return {"bench_law": {"acc,none": np.mean(right["bench_law"]), "acc_stderr,none": 0.1}}

    write_harness(folder, values=tasks_alone, doc=lambda at: {"passage": f"text {at // 3}", "q": str(at)})
    (one,) = images(folder, f"out/*/samples_bench_law_{TIME}.jsonl", metric="acc")
    assert (one.images, one.clusters) == (12, 4)
    difference = np.array(
        [np.subtract(RIGHT["kd", s]["bench_law"], RIGHT["baseline", s]["bench_law"]) for s in range(3)]
    )
    mean, se = by_hand([100.0 * difference[:, at : at + 3] for at in range(0, 12, 3)])
    assert -one.mean_diff == pytest.approx(mean)
    assert one.df is not None
    assert one.ci_high is not None
    assert (one.ci_high - one.mean_diff) / stats.t.ppf(0.975, one.df) == pytest.approx(se)


def test_what_is_no_mean_over_items_is_never_called_one(folder):
    """The harness's perplexity is exp of the mean loss, and its items hold the losses."""

    def perplexity(right: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        return {task: {"acc,none": np.mean(own), "ll,none": 7.25} for task, own in right.items()}

    write_harness(folder, values=perplexity)
    table = folder.open("out", metric="acc", cell="run,task").table
    assert set(table["ll"].astype(float)) == {7.25}
    for path in folder.path.glob("out/*/results_*.json"):
        path.unlink()
    source = folder.open("out", cell="run,task", metric="acc")
    assert "ll" not in source.table
    assert source.tidy is not None
    assert any("ll: how its items make its value is not known" in text for text in source.tidy.dropped)


def test_results_without_samples_say_what_keeps_them(folder):
    write_harness(folder, samples=False)
    source = folder.open("out", metric="acc")
    assert source.tidy is not None
    assert any("--log_samples keeps them" in text for text in source.tidy.dropped)
    found = {(row.run, row.seed): float(row.acc) for row in source.table.itertuples()}
    every = [one for own in RIGHT["kd", 1].values() for one in own]
    assert found["ckpts/kd-s1", "1"] == pytest.approx(np.mean(every))
    older = results("kd", 0, {"arc": {"acc": 0.25, "acc_stderr": 0.1}})
    folder.write("kd-s0.json", json.dumps(older))
    folder.write("kd-s1.json", json.dumps(older | {"model_name": "ckpts/kd-s1"}))
    assert folder.open("kd-s0.json", "kd-s1.json").table["acc"].astype(float).tolist() == [0.25, 0.25]
    folder.write(f"other/results_{TIME}.json", "{}")
    assert "no results of lm-evaluation-harness" in folder.refusal("other")


def test_filters_and_a_document_that_is_there_twice(folder):
    rows = [
        sample(at, "g", right, filter=name, metrics=["exact_match"], exact_match=float(right))
        for at in range(4)
        for name, right in (("strict", at % 2), ("flexible", 1))
    ]
    for seed in range(2):
        for model in ("a", "b"):
            folder.write(f"out/{model}-s{seed}/samples_gsm_{TIME}.jsonl", "\n".join(map(json.dumps, rows)))
    table = folder.open("out", metric="exact_match,strict").table
    assert set(table["exact_match,strict"].astype(float)) == {0.5}
    assert set(table["exact_match,flexible"].astype(float)) == {1.0}
    folder.write(f"twice/a-s0/samples_gsm_{TIME}.jsonl", "\n".join(map(json.dumps, [*rows, rows[0]])))
    assert "document 0 is there twice" in folder.refusal("twice")


# ------------------------------------------------------------------------------------------------ Inspect


def inspect_log(
    model: str,
    seed: int,
    samples: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    **score: Any,
) -> str:
    told = {"eval_id": f"{model}{seed}", "created": f"2026-10-01T10:0{seed}:00+00:00", "task": "toy"}
    return json.dumps(
        {
            "version": 2, "status": "success",
            "eval": {**told, "model": "mock/model", "metadata": {"method": model, "seed": seed},
                     "scorers": [{"name": "match", "metrics": score.pop("declared", [])}]},
            "results": {"scores": [{"name": "match", "scorer": "match", "metrics": metrics, **score}]},
            "samples": list(samples),
        }
    )  # fmt: skip


def write_inspect(folder: Any, **score: Any) -> None:
    for (model, seed), right in RIGHT.items():
        samples = [
            {"id": at % 6, "epoch": 1 + at // 6, "metadata": {"page": f"p{at % 6 // 2}"},
             "scores": {"match": {"value": "C" if one else "I"}}}
            for at, one in enumerate(right["bench_law"])
        ]  # fmt: skip
        metrics = {"accuracy": {"value": np.mean(right["bench_law"])}, "stderr": {"value": 0.1}}
        name = f"logs/2026-10-01T10-0{seed}-00-00-00_toy_{model}.json"
        folder.write(name, inspect_log(model, seed, samples, metrics, **score))


def test_several_epochs_of_a_sample_are_one_cluster(folder):
    write_inspect(folder)
    (one,) = images(folder, "logs")
    assert (one.a, one.images, one.clusters) == ("kd", 12, 6)
    means = np.array(
        [np.subtract(RIGHT["kd", s]["bench_law"], RIGHT["baseline", s]["bench_law"]) for s in range(3)]
    )
    mean, se = by_hand([100.0 * means[:, [at, at + 6]] for at in range(6)])
    assert one.mean_diff == pytest.approx(mean)
    assert one.df is not None
    assert one.ci_high is not None
    assert (one.ci_high - one.mean_diff) / stats.t.ppf(0.975, one.df) == pytest.approx(se)


@pytest.mark.parametrize("form", ["metadata", "params"])
def test_clusters_that_the_task_declares(folder, form: str):
    if form == "metadata":
        write_inspect(folder, declared=[{"name": "stderr", "options": {"cluster": "page"}}])
    else:
        write_inspect(folder, declared=[{"name": "inspect_ai/stderr", "options": {"cluster": "page"}}])
    (one,) = images(folder, "logs")
    assert (one.images, one.clusters) == (12, 3)


def test_reduced_epochs_that_are_no_mean_have_no_items(folder):
    write_inspect(folder, reducer="pass_at_2")
    assert list(images(folder, "logs")) == []


def test_scores_of_several_reducers_and_of_parts(folder):
    for (model, seed), right in RIGHT.items():
        samples = [
            {"id": at, "epoch": 1, "scores": {"match": {"value": {"form": one, "sense": 1 - one}}}}
            for at, one in enumerate(right["bench_law"])
        ]
        share = float(np.mean(right["bench_law"]))
        log = json.loads(inspect_log(model, seed, samples, {}))
        log["results"]["scores"] = [
            {"name": "form", "scorer": "match", "metrics": {"mean": {"value": share}}},
            {"name": "sense", "scorer": "match", "metrics": {"mean": {"value": 1 - share}}},
            {"name": "best", "scorer": "best", "reducer": "mean", "metrics": {"mean": {"value": 0.2}}},
            {"name": "best", "scorer": "best", "reducer": "max", "metrics": {"mean": {"value": 0.9}}},
        ]
        folder.write(f"logs/2026-10-01T10-0{seed}-00-00-00_toy_{model}.json", json.dumps(log))
    table = folder.open("logs", metric="form/mean").table
    assert set(table["best/mean (mean)"].astype(float)) == {0.2}
    assert set(table["best/mean (max)"].astype(float)) == {0.9}
    found = analysis_of(folder.open("logs", metric="form/mean"), Question(metric="form/mean", goal="max"))
    (one,) = found.images
    assert (one.images, one.clusters) == (12, None)
