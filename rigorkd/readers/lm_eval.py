"""lm-evaluation-harness: `results_<time>.json`, and `samples_<task>_<time>.jsonl` with `--log_samples`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError
from rigorkd.readers.item_scores import Items, Scored, Scores
from rigorkd.readers.json_records import json_document, json_lines, scalars
from rigorkd.readers.listing import Listing
from rigorkd.readers.raw import RawTable, Reading, as_list, as_mapping, as_number, table_of
from rigorkd.text import some_of

_STAMP = r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}(?:\.\d+)?"
_SAMPLES = re.compile(rf"samples_(.+)_({_STAMP})\.jsonl")
_RESULTS = re.compile(rf"(?!samples_)(.+)_({_STAMP})\.json")

_GROUPS = (
    "passage_id", "paragraph_id", "article_id", "story_id", "context_id", "document_id", "group_id",
    "cluster_id", "cluster", "passage", "paragraph", "article", "story", "context",
)  # fmt: skip
"""Fields of a document that its other questions share: questions on one passage are one draw, not several."""


@dataclass
class _Evaluation:
    """What one evaluation of one model wrote: the file of results, and that of the samples of each task."""

    results: Path | None = None
    samples: dict[str, Path] = field(default_factory=dict)
    named: bool = False


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """One row per evaluation and task, or per group of tasks where the results have a value for it."""
    evaluations: dict[tuple[Path, str], _Evaluation] = {}
    for path in files:
        named = _SAMPLES.fullmatch(path.name) or _RESULTS.fullmatch(path.name)
        time = named[2] if named else ""
        one = evaluations.setdefault((path.parent, time), _Evaluation())
        if path.suffix == ".jsonl":
            one.samples[named[1] if named else path.stem.removeprefix("samples_")] = path
        else:
            one.results = path
    rows, places, items, notes = [], [], [], list[str]()
    for (folder, time), one in evaluations.items():
        one.named = one.results is not None
        if time and one.results is None:
            beside = folder / f"results_{time}.json"
            one.results = beside if beside.is_file() and not beside.is_symlink() else None
        elif time:
            for path in sorted(folder.glob(f"samples_*_{time}.jsonl")):
                if (named := _SAMPLES.fullmatch(path.name)) and not path.is_symlink():
                    one.samples.setdefault(named[1], path)
        document = json_document(str(one.results), found.read(one.results)) if one.results else {}
        if one.named and not (isinstance(document, dict) and isinstance(document.get("results"), dict)):
            raise InputError(
                f"{one.results}: no results of lm-evaluation-harness", hint="read it by --from table"
            )
        document = as_mapping(document)
        head: dict[str, object] = {"run": folder.name}
        if time:
            head["created"] = re.sub(r"T(\d\d)-(\d\d)-", r"T\1:\2:", time)
            head["run_id"] = f"{folder.name} {time}"
        head |= _settings(document)
        scores = {task: _scores(path, found.read(path)) for task, path in one.samples.items()}
        for task, values, scored in _tasks(one, document, scores, notes):
            rows.append({**head, "task": task, **values})
            places.append(str(one.samples.get(task) or one.results))
            items.append(scored)
    if any(not one for one in items):
        notes.append("no single items of some tasks: --log_samples keeps them, for intervals over new items")
    kind = "lm-evaluation-harness" + (" samples, means over items" if all(items) else " results")
    table = table_of(rows, places, kind, dropped=list(dict.fromkeys(notes)))
    return [replace(table, items=Items(tuple(items)))]


def read_results(file: str, document: Mapping[str, Any]) -> RawTable:
    """Results by another name, as older versions of the harness wrote them: a row per task or group."""
    notes = ["no single items: --log_samples keeps them, for intervals over new items"]
    head = {"run": re.sub(r"\.json$", "", Path(file).name), **_settings(document)}
    found = _tasks(_Evaluation(Path(file), named=True), document, {}, notes)
    rows = [{**head, "task": task, **values} for task, values, _ in found]
    return table_of(rows, [file] * len(rows), "lm-evaluation-harness results", dropped=notes)


def is_results(document: object) -> bool:
    """Whether a JSON document is what the harness writes at the end of an evaluation."""
    return (
        isinstance(document, dict)
        and all(isinstance(document.get(name), dict) for name in ("results", "versions"))
        and any(name in document for name in ("config", "configs", "n-shot"))
        and all(isinstance(one, dict) for one in document["results"].values())
    )


def _tasks(
    one: _Evaluation, document: Mapping[str, Any], scores: Mapping[str, Scores], notes: list[str]
) -> list[tuple[str, dict[str, float], Scores]]:
    """The rows of an evaluation: name, value of each metric, and the items behind each."""
    values = _values(document)
    if not one.named:  # only samples were named: a row for each
        return [
            (task, *_checked(task, values.get(task), own, bool(document), notes))
            for task, own in scores.items()
        ]
    below = _below(document, values)
    members = {task for group in below for task in below[group]}
    out = []
    for task in dict.fromkeys((*values, *scores)):
        if task in members:
            continue
        own = scores.get(task, {})
        if task in below:
            there = {*values, *scores}
            leaves = [name for name in below[task] if name not in below and name in there]
            own = _together({name: scores[name] for name in leaves if name in scores}, len(leaves))
            notes.append(f"{some_of(leaves)}: judged together as {task}; name their samples for each alone")
        out.append((task, *_checked(task, values.get(task), own, True, notes)))
    return out


def _values(document: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Per task or group its metrics, with their filter where there are several; what has none is left out."""
    out: dict[str, dict[str, float]] = {}
    for task, told in as_mapping(document.get("results")).items():
        if not isinstance(told, dict):
            continue
        parts = {key: key.partition(",")[::2] for key in told if "_stderr" not in key}
        numbers = {
            key: (metric.strip(), filtered)
            for key, (metric, filtered) in parts.items()
            if isinstance(told[key], int | float) and not isinstance(told[key], bool)
            and ("," in key or metric not in ("samples", "sample_len", "sample_count", "alias", "name"))
        }  # fmt: skip
        several = len({filtered for _, filtered in numbers.values()}) > 1
        own = {
            f"{metric},{filtered}" if several and filtered else metric: float(told[key])
            for key, (metric, filtered) in numbers.items()
        }
        if own:
            out[str(task).lstrip("-")] = own
    return out


def _below(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, list[str]]:
    """The tasks below each group that has a value of its own, groups within it among them."""
    children = {
        str(group): [str(name) for name in names]
        for group, names in as_mapping(document.get("group_subtasks")).items()
        if isinstance(names, list) and names
    }

    def gathered(group: str, above: tuple[str, ...]) -> list[str]:
        out = []
        for name in children.get(group, []):
            if name not in above:
                out += [name, *gathered(name, (*above, name))]
        return list(dict.fromkeys(out))

    return {group: gathered(group, (group,)) for group in children if group in values}


def _together(scores: Mapping[str, Scores], tasks: int) -> Scores:
    """The items of a group's tasks, each task a cluster of them; none where a task kept no items."""
    if len(scores) < max(tasks, 2):
        return {}
    shared = set.intersection(*(set(own) for own in scores.values()))
    return {
        metric: Scored(
            {f"{task} {item}": one for task in scores for item, one in scores[task][metric].score.items()},
            {f"{task} {item}": task for task in scores for item in scores[task][metric].score},
        )
        for metric in shared
    }


def _checked(
    task: str, values: Mapping[str, float] | None, own: Scores, has_results: bool, notes: list[str]
) -> tuple[dict[str, float], Scores]:
    """The values of a row, and the items of those metrics whose value is the mean over them."""
    if values is None:  # nothing says how the scores are aggregated: shares right are means
        means = {name: one for name, one in own.items() if all(0 <= x <= 1 for x in one.score.values())}
        if left := sorted(set(own) - set(means)):
            why = "no value in the results" if has_results else "results_*.json beside it would say it"
            notes.append(f"{task}: {some_of(left)}: how its items make its value is not known ({why})")
        return {name: sum(one.score.values()) / len(one.score) for name, one in means.items()}, means
    means = {name: one for name, one in own.items() if name in values and one.is_mean(values[name])}
    if left := sorted(set(own) & set(values) - set(means)):
        notes.append(f"{task}: {some_of(left)}: no mean over the items, so no intervals over new items")
    return dict(values), means


def _settings(document: Any) -> dict[str, object]:
    document = as_mapping(document)
    told = scalars(as_mapping(document.get("config")))
    # random_seed and the like draw the examples of a prompt: they are no seeds of a training
    kept: dict[str, object] = {f"config.{k}": v for k, v in told.items() if not k.endswith("_seed")}
    if document.get("model_name"):
        kept["run"] = str(document["model_name"])
    return {name: value for name, value in kept.items() if name != "config.model"}


def _scores(path: Path, content: bytes) -> Scores:
    """Per metric (with its filter, if there are several) the score of each document."""
    out: dict[str, dict[str, float]] = {}
    seen: set[tuple[str, str]] = set()
    times: dict[tuple[str, str], int] = {}
    docs: dict[str, Mapping[str, Any]] = {}
    rows = list(json_lines(str(path), content))
    filters = {str(row.get("filter", "none")) for _, row in rows}
    for number, row in rows:
        names = as_list(row.get("metrics")) or [name for name in row if name not in _OTHER]
        suffix = f",{row['filter']}" if len(filters) > 1 and "filter" in row else ""
        doc, content_hash = str(row.get("doc_id", number)), str(row.get("doc_hash") or "")
        if (doc, suffix) in seen:
            raise InputError(f"{path}:{number}: document {doc} is there twice", hint="evaluate once a file")
        seen.add((doc, suffix))
        item = doc
        if content_hash:  # doc_id counts within a selection; equal documents are told apart by their order
            again = times[content_hash, suffix] = times.get((content_hash, suffix), -1) + 1
            item = f"{content_hash} {again}" if again else content_hash
        docs[item] = as_mapping(row.get("doc"))
        for name in map(str, names):
            if (value := as_number(row.get(name))) is not None:
                out.setdefault(f"{name}{suffix}", {})[item] = value
    if not out:
        raise InputError(f"{path}: no metric of single items", hint="leave the file out")
    cluster = _clusters(docs)
    return {name: Scored(own, cluster) for name, own in out.items()}


def _clusters(docs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The passage of each document, by the first field of such a name that some documents share."""
    for name in _GROUPS:
        told = {item: doc.get(name) for item, doc in docs.items()}
        if all(isinstance(one, str | int) and one != "" for one in told.values()):
            groups = {item: str(one) for item, one in told.items()}
            if 1 < len(set(groups.values())) < len(groups):
                return groups
    return {}


_OTHER = frozenset({"doc_id", "doc_hash", "prompt_hash", "target_hash", "target"})
