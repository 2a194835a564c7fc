#!/usr/bin/env python
"""Writes the GPU section of docs/benchmarks.md from result files, and nothing else of it.

\b
    python scripts/benchmark/publish.py gpu-results/*.json     check.json, reference.json, fast.json, or some
    python scripts/benchmark/publish.py                        again from what was published before
    python scripts/benchmark/publish.py --check                exit code 1 if that would change the page

The files are kept in docs/measured/, so that every figure of the page can be looked up, and the page be made
again. A file takes the place of the one of its part; other parts stay, unless --replace drops them, and the
page says so if they come from another machine or other code. What has no result is named as open. Text
outside the two marks is left as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from results import BadResultError, Benchmark, Check, Machine, Result, read
from summary import GOALS, OPEN, Goal
from table import Table, plain

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- On a GPU: written by scripts/benchmark/publish.py -->"
END = "<!-- End of what publish.py writes -->"
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

Results = Mapping[str, Result]


@click.command(help=__doc__)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--page", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=PAGE)
@click.option("--kept", type=click.Path(file_okay=False, path_type=Path), default=ROOT / "docs" / "measured")
@click.option("--replace", is_flag=True, help="Drop what was published before of other parts.")
@click.option("--check", is_flag=True, help="Write nothing; say whether the page is as it should be.")
def main(files: tuple[Path, ...], page: Path, kept: Path, replace: bool, check: bool) -> None:
    if replace and not files:
        raise click.UsageError("--replace: give the files that take the place of what was published")
    published = {name: kept / f"{name}.json" for name in COMMANDS}
    given = read_results(files)
    others = [file for name, file in published.items() if name not in given and file.exists()]
    found = {**given, **(read_results(others) if not replace else {})}
    results = {name: found[name] for name in COMMANDS if name in found}
    try:
        before = page.read_bytes().decode()
        after = replaced(before, section(results), page)
        if check:
            if after != before:
                raise click.ClickException(f"{page} is not what the results give: run publish.py")
            return
        for name, result in given.items():
            kept.mkdir(parents=True, exist_ok=True)
            published[name].write_bytes(result.content)
        for file in others if replace else ():
            file.unlink()
        page.write_bytes(after.encode())
    except UnicodeDecodeError:
        raise click.UsageError(f"{page} is no text in UTF-8") from None
    except OSError as error:
        raise click.UsageError(f"{error.filename} cannot be written: {error.strerror}") from None
    click.echo(f"{page}: the GPU section is made of {', '.join(results) or 'no results'}")


def read_results(files: Sequence[Path]) -> Results:
    """The results by name (`check`, `reference`, `fast`).

    Raises:
        UsageError: a file is no such result, or one that must not be published.
    """
    results: dict[str, Result] = {}
    for file in files:
        try:
            result = read(file)
        except BadResultError as error:
            raise click.UsageError(str(error)) from None
        if result.document.quick:
            raise click.UsageError(f"{file} comes from --quick, which measures nothing: it is not published")
        if result.document.machine.hardware.startswith(("CPU", "cpu")):
            raise click.UsageError(f"{file} was measured on a CPU: this section is about a GPU")
        if result.name in results:
            raise click.UsageError(f"{file}: there are two results of {result.name}; give one")
        results[result.name] = result
    return results


def replaced(text: str, new: str, page: Path) -> str:
    """The page with another section between the marks, in the line ends of the page."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise click.UsageError(f"{page} must hold these two lines once, in this order: {BEGIN} {END}")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    between = f"\n\n{new}\n"
    return text[:begin] + (between.replace("\n", "\r\n") if "\r\n" in text else between) + text[end:]


def section(results: Results) -> str:
    """The text between the marks."""
    blocks = ["## On a GPU", *_state(results), *_apart(results), goals_table(results).markdown()]
    for name, result in results.items():
        if isinstance(result.document, Check):
            blocks += _check(result.document)
        else:
            blocks += _part(name, result.document)
    return "\n\n".join(blocks) + "\n"


def _state(results: Results) -> list[str]:
    """What was run and what was not."""
    lines = []
    for name, command in COMMANDS.items():
        if name not in results:
            lines.append(f"- `{command}` has not been run: unproven is {UNPROVEN[name]}")
            continue
        machine = results[name].document.machine
        lines.append(f"- `{command}`: {plain(machine.date[:10])}, {_machine(machine)}")
    intro = (
        "Measured:" if results else "No GPU was at hand: nothing here is measured, and all goals are open."
    )
    return [intro, "\n".join(lines)]


def _apart(results: Results) -> list[str]:
    """A warning where the parts were not measured on one machine, with one PyTorch, from one code."""
    differing = []
    for what, of in (("hardware", _hardware), ("PyTorch", _torch), ("code", _code)):
        found = {name: of(result.document.machine) for name, result in results.items()}
        if len(set(found.values())) > 1:
            differing.append(f"- {what}: " + "; ".join(f"{name} {word}" for name, word in found.items()))
    if not differing:
        return []
    return ["**These parts do not belong together**: they differ in", "\n".join(differing)]


def goals_table(results: Results) -> Table:
    """Every goal of `summary`, with what each part says of it."""
    tables = {
        name: {measured.name: measured.table() for measured in result.document.tables}
        for name, result in results.items()
        if isinstance(result.document, Benchmark)
    }

    def said(goal: Goal, part: str) -> str:
        found = goal.of(tables[part], gpu=True) if part in tables else None
        if found is None:
            return OPEN
        return f"{found.text}: {found.word}" if found.word else found.text

    check = results["check"].document if "check" in results else None
    checked = _outcomes(check) if isinstance(check, Check) else OPEN
    rows = [("what `reference` promises, and every method and view, on CUDA", "no test fails", checked, "")]
    rows += [(goal.name, goal.target, said(goal, "reference"), said(goal, "fast")) for goal in GOALS]
    return Table("goals", "", ("goal", "target", "`reference`", "`fast`"), tuple(rows), ())


def _check(document: Check) -> list[str]:
    """The outcome of the check, and every test that did not pass with its reason."""
    lines = [
        "- " + plain(": ".join(filter(None, (test.name, test.outcome, test.reason))))
        for test in document.tests
        if test.outcome != "passed"
    ]
    blocks = [f"### check: {_outcomes(document)}", f"`{COMMANDS['check']}`, {document.seconds:.0f} s."]
    return [*blocks, *(["\n".join(lines)] if lines else [])]


def _outcomes(document: Check) -> str:
    counts = Counter(plain(test.outcome) for test in document.tests)
    missing = (document.expected or 0) - counts.total()
    if missing > 0:  # it was broken off
        counts["not run"] += missing
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


def _part(name: str, document: Benchmark) -> list[str]:
    """The tables of a part, and what is missing from it."""
    blocks = [f"### {name}", f"`{COMMANDS[name]}`, {document.took:.0f} s, {_machine(document.machine)}."]
    if not document.complete:
        blocks.append("It was interrupted: what follows had been measured by then.")
    for measured in document.tables:
        if measured.name != "summary":  # its goals are in the table above
            title = plain(f"{name}, {measured.name}: {measured.title}")
            blocks += [f"#### {title}", measured.table().markdown()]
    missing = [f"- {plain(f'{cut.what}: {cut.why}')}" for cut in document.cut]
    missing += [f"- {plain(f'{cut.what} failed: {cut.why}')}" for cut in document.failed]
    if missing:
        blocks += [f"Not measured in {name}:", "\n".join(missing)]
    return blocks


def _hardware(machine: Machine) -> str:
    return plain(machine.hardware)


def _torch(machine: Machine) -> str:
    """Without the build, which not every file names."""
    return plain(machine.torch.partition("+")[0])


def _code(machine: Machine) -> str:
    """`rigorkd 0.2 at 1a2b3c4d5e6f, with uncommitted changes`."""
    commit = f"at {machine.git_commit[:12]}" if machine.git_commit else "at an unknown commit"
    changed = ", with uncommitted changes" if machine.git_dirty else ""
    return plain(f"rigorkd {machine.rigorkd or 'of an unknown version'} {commit}{changed}")


def _machine(machine: Machine) -> str:
    """Hardware, versions and code, as far as the file names them."""
    versions = {
        "torch": machine.torch,
        "CUDA": machine.cuda,
        "driver": machine.driver,
        "torchvision": machine.torchvision,
        "accelerate": machine.accelerate,
        "Python": machine.python,
    }
    words = [machine.hardware, machine.precision]
    words += [f"{word} {version}" for word, version in versions.items() if version]
    words += [machine.clock or "", _code(machine)]
    return plain(", ".join(filter(None, words)))


if __name__ == "__main__":
    main()
