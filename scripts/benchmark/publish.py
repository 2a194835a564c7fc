#!/usr/bin/env python
"""Writes the GPU section of docs/benchmarks.md from result files, and nothing else of it.

\b
    python scripts/benchmark/publish.py gpu-results/*.json     check.json, reference.json, fast.json, or some
    python scripts/benchmark/publish.py                        again from what was published before
    python scripts/benchmark/publish.py --check                exit code 1 if that would change the page

The files are kept in docs/measured/, so that every figure of the page can be looked up, and the page be made
again. What has no result is named as open. Text outside the two marks is left as it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from summary import GOALS, WORDS
from table import Table, table_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- On a GPU: written by scripts/benchmark/publish.py -->"
END = "<!-- End of what publish.py writes -->"
CHECK_SCHEMA, BENCHMARK_SCHEMA = "rigorkd.gpu-check/1", "rigorkd.benchmark/1"
COMMANDS = {
    "check": "scripts/gpu/check.sh",
    "reference": "scripts/gpu/measure.sh reference",
    "fast": "scripts/gpu/measure.sh fast",
}
UNPROVEN = {
    "check": "whether any line of the engine is right on CUDA",
    "reference": "how fast `reference` mode is on a GPU",
    "fast": "how fast `fast` mode is there, and what compiling gains",
}

Results = Mapping[str, Mapping[str, Any]]


@click.command(help=__doc__)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--page", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=PAGE)
@click.option("--kept", type=click.Path(file_okay=False, path_type=Path), default=ROOT / "docs" / "measured")
@click.option("--check", is_flag=True, help="Write nothing; say whether the page is as it should be.")
def main(files: tuple[Path, ...], page: Path, kept: Path, check: bool) -> None:
    published = tuple(kept / f"{name}.json" for name in COMMANDS)
    results = read_results(files or [file for file in published if file.exists()])
    before = page.read_text(encoding="utf-8")
    after = replaced(before, section(results), page)
    if check:
        if after != before:
            raise click.ClickException(f"{page} is not what the results give: run publish.py")
        return
    if files:
        kept.mkdir(parents=True, exist_ok=True)
        for file in published:
            if file.stem in results:
                text = json.dumps(results[file.stem], indent=1, ensure_ascii=False) + "\n"
                file.write_text(text, encoding="utf-8")
            else:
                file.unlink(missing_ok=True)  # of another day, perhaps of another machine
    page.write_text(after, encoding="utf-8")
    click.echo(f"{page}: the GPU section is made of {', '.join(results) or 'no results'}")


def read_results(files: Sequence[Path]) -> Results:
    """The results by name (`check`, `reference`, `fast`).

    Raises:
        UsageError: a file is no such result, or one that must not be published.
    """
    results: dict[str, Mapping[str, Any]] = {}
    for file in files:
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise click.UsageError(f"{file} is no JSON file: {error}") from None
        schema = document.get("schema") if isinstance(document, dict) else None
        if schema not in (CHECK_SCHEMA, BENCHMARK_SCHEMA):
            raise click.UsageError(
                f"{file}: its schema is {schema}, not {CHECK_SCHEMA} or {BENCHMARK_SCHEMA}"
            )
        name = "check" if schema == CHECK_SCHEMA else document["part"]
        if document["quick"]:
            raise click.UsageError(f"{file} comes from --quick, which measures nothing: it is not published")
        if name not in COMMANDS:
            raise click.UsageError(f"{file} is no part: publish what {COMMANDS['reference']} and fast write")
        if _hardware(document).startswith(("CPU", "cpu")):
            raise click.UsageError(f"{file} was measured on a CPU: this section is about a GPU")
        if name in results:
            raise click.UsageError(f"{file}: there are two results of {name}; give one")
        results[name] = document
    return results


def replaced(text: str, new: str, page: Path) -> str:
    """The page with another section between the marks."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise click.UsageError(f"{page} must hold these two lines once, in this order: {BEGIN} {END}")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:begin]}\n\n{new}\n{text[end:]}"


def section(results: Results) -> str:
    """The text between the marks."""
    blocks = ["## On a GPU", *_state(results), goals_table(results).markdown()]
    if "check" in results:
        blocks += _check(results["check"])
    for part in ("reference", "fast"):
        if part in results:
            blocks += _part(part, results[part])
    return "\n\n".join(blocks) + "\n"


def _state(results: Results) -> list[str]:
    """What was run and what was not."""
    lines = []
    for name, command in COMMANDS.items():
        if name not in results:
            lines.append(f"- `{command}` has not been run: unproven is {UNPROVEN[name]}")
            continue
        document = results[name]
        lines.append(f"- `{command}`: {_date(document)}, {_machine(document)}")
    intro = (
        "Measured:" if results else "No GPU was at hand: nothing here is measured, and all goals are open."
    )
    return [intro, "\n".join(lines)]


def goals_table(results: Results) -> Table:
    """Every goal of `summary`, with what each part says of it."""
    tables = {
        part: {fields["name"]: table_of(fields) for fields in results[part]["tables"]}
        for part in ("reference", "fast")
        if part in results
    }

    def said(goal: Any, part: str) -> str:
        found = goal.of(tables[part], gpu=True) if part in tables else None
        if found is None:
            return "open"
        word = WORDS[found.holds]
        return f"{found.measured}: {word}" if word else str(found.measured)

    checked = _outcomes(results["check"]) if "check" in results else "open"
    rows = [("what `reference` promises, and every method and view, on CUDA", "no test fails", checked, "")]
    rows += [(goal.name, goal.target, said(goal, "reference"), said(goal, "fast")) for goal in GOALS]
    return Table("goals", "", ("goal", "target", "`reference`", "`fast`"), tuple(rows), ())


def _check(document: Mapping[str, Any]) -> list[str]:
    """The outcome of the check, and every test that did not pass with its reason."""
    lines = [
        f"- {test['name']}: {test['outcome']}" + (f": {test['reason']}" if test.get("reason") else "")
        for test in document["tests"]
        if test["outcome"] != "passed"
    ]
    blocks = [f"### check: {_outcomes(document)}", f"`{COMMANDS['check']}`, {document['seconds']:.0f} s."]
    return [*blocks, *(["\n".join(lines)] if lines else [])]


def _outcomes(document: Mapping[str, Any]) -> str:
    counts = Counter(str(test["outcome"]) for test in document["tests"])
    missing = (document.get("expected") or 0) - counts.total()
    if missing > 0:  # it was broken off
        counts["not run"] = missing
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "no test ran"


def _part(name: str, document: Mapping[str, Any]) -> list[str]:
    """The tables of a part, and what is missing from it."""
    blocks = [f"### {name}", f"`{COMMANDS[name]}`, {document['took']:.0f} s, {_machine(document)}."]
    if not document["complete"]:
        blocks.append("It was interrupted: what follows had been measured by then.")
    for fields in document["tables"]:
        if fields["name"] != "summary":  # its goals are in the table above
            table = table_of(fields)
            blocks += [f"#### {name}, {table.name}: {table.title}", table.markdown()]
    missing = [f"- {cut['what']}: {cut['why']}" for cut in document["cut"]]
    missing += [f"- {cut['what']} failed: {cut['why']}" for cut in document["failed"]]
    if missing:
        blocks += [f"Not measured in {name}:", "\n".join(missing)]
    return blocks


def _hardware(document: Mapping[str, Any]) -> str:
    machine = document.get("machine")
    return str(machine["hardware"] if machine else document["device"])


def _date(document: Mapping[str, Any]) -> str:
    machine = document.get("machine")
    return str(machine["date"] if machine else document["date"])[:10]


def _machine(document: Mapping[str, Any]) -> str:
    """Hardware and versions, as far as the file names them."""
    known = document.get("machine") or document
    words = [_hardware(document), *([known["precision"]] if "precision" in known else [])]
    names = {
        "torch": "torch",
        "cuda": "CUDA",
        "driver": "driver",
        "torchvision": "torchvision",
        "accelerate": "accelerate",
        "python": "Python",
        "clock": "",
    }
    words += [f"{word} {known[key]}".strip() for key, word in names.items() if known.get(key)]
    return ", ".join(words)


if __name__ == "__main__":
    main()
