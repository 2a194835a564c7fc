"""`rigorkd export`: a study as one archive that others can cite, check and analyse again.

    <study>/
      README.md                     what this is, its digest, how it is verified
      report.html  analysis.json    what the study says
      protocol.yaml                 the newest protocol text
      environment.json              versions and hardware, by the records
      results/<study>/              the study itself, as `rigorkd verify` and `rigorkd analyze` read it

Its bytes depend on the study alone: files by name, one date, nothing compressed (records hardly shrink, and
compressors differ). Logs are left out, since they name folders of the machine, but for those of runs that
once failed, which the report counts.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rigorkd import __version__
from rigorkd.files import replacing
from rigorkd.records.integrity import Verified
from rigorkd.records.interim import FILE as LOOKS
from rigorkd.records.interim import SHOWN
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import WEIGHTS, Record, read_records
from rigorkd.records.study import StudyInfo, read_info
from rigorkd.records.untrusted import LOG, PROTOCOL, is_there, opened, read_bytes
from rigorkd.text import count, unhidden

_DATE = (1980, 1, 1, 0, 0, 0)
"""The first that a ZIP can have."""


@dataclass(frozen=True)
class Archive:
    """What was written: its size, its files, and how many students' weights stayed behind."""

    bytes: int
    files: int
    left_out: int


def pack(
    folder: Path,
    out: Path,
    *,
    verified: Verified,
    report: str,
    analysis: str,
    warnings: Sequence[str],
    open_: str = "",
    weights: bool = False,
    sequential: bool = False,
) -> Archive:
    """Write the archive of a study that was `verified`, whole or not at all.

    `report` and `analysis` are its page and its JSON, `warnings` what that analysis warns of, `open_` how far
    a study is that is not finished. Students' weights come along with `weights`; teachers' and starts' always
    do, for they are needed to repeat a run. `sequential`: its verdicts are in them.
    """
    study, info, records = StudyFolder(folder), read_info(folder), read_records(StudyFolder(folder))
    inside = dict(_study_files(study, records, weights=weights))
    left_out = sum(_is_student_with_weights(one) for one in records) if not weights else len(verified.gone)
    written = {
        "analysis.json": analysis.encode(),
        "environment.json": _environment(info, records).encode(),
        "protocol.yaml": read_bytes(study.protocol(info.protocols[-1]), folder, PROTOCOL),
        "report.html": report.encode(),
    }
    written["README.md"] = _readme(
        *(info, records, verified, warnings, left_out, open_),
        files=len(inside) + len(written) + 1,
        asked=" --sequential" * sequential,
    ).encode()
    names = sorted([*written, *(f"results/{info.study}/{name}" for name in inside)])
    with replacing(out) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in names:
                entry = zipfile.ZipInfo(f"{info.study}/{name}", _DATE)
                entry.external_attr, entry.create_system = 0o644 << 16, 3
                if name in written:
                    archive.writestr(entry, written[name])
                    continue
                path, root = inside[name.removeprefix(f"results/{info.study}/")]
                with opened(path, root) as source:
                    entry.file_size = _size(source)
                    with archive.open(entry, "w") as target:
                        shutil.copyfileobj(source, target)
        size = file.tell()
    return Archive(size, len(names), left_out)


def _size(file: BinaryIO) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _study_files(
    study: StudyFolder, records: Sequence[Record], *, weights: bool
) -> Iterator[tuple[str, tuple[Path, Path]]]:
    """The study's files that go into the archive: the name there, the file, and the folder it is below."""
    root = study.path
    own = (study.study_json, root / LOOKS, root / SHOWN, study.changes_jsonl, study.data_json)
    for path in (*own, *sorted(study.protocols.rglob("*"))):
        if is_there(path, root) and not path.is_dir() and "__pycache__" not in path.parts:
            yield path.relative_to(root).as_posix(), (path, root)
    for record in records:
        for name in ("record.json", *record.files):
            path = record.folder / name
            if name == WEIGHTS and not weights and _is_student_with_weights(record):
                continue
            if is_there(path, record.folder):
                yield f"{record.run}/{name}", (path, record.folder)
    for path in sorted(study.logs.rglob("seed-*.log")):
        if b" failed: " in read_bytes(path, root, LOG):
            yield path.relative_to(root).as_posix(), (path, root)


def _is_student_with_weights(record: Record) -> bool:
    return WEIGHTS in record.files and record.fields.get("role") == "student"


def _environment(info: StudyInfo, records: Sequence[Record]) -> str:
    """What the runs were made with; several values where they differ."""

    def found(values: Iterator[Any]) -> list[Any]:
        return sorted({str(value) for value in values if value not in (None, "")})

    names = sorted({name for record in records for name in record.fields.get("versions") or {}})
    document = {
        "study_written_by": f"rigorkd {info.version}",
        "versions": {
            name: found((record.fields.get("versions") or {}).get(name) for record in records)
            for name in names
        },
        **{
            key: found(record.fields.get(key) for record in records)
            for key in ("hardware", "device", "dispatch", "precision_used", "git_commit")
        },
        "numerics": dict(info.numerics),
        **({} if all(record.is_by_command for record in records) else {"mode": info.mode}),
    }
    return unhidden(json.dumps(document, indent=1, ensure_ascii=False)) + "\n"


def _readme(
    info: StudyInfo,
    records: Sequence[Record],
    verified: Verified,
    warnings: Sequence[str],
    left_out: int,
    open_: str,
    *,
    files: int,
    asked: str,
) -> str:
    name = info.study
    of_torch = [(record.fields.get("versions") or {}).get("torch") for record in records]
    torch = {str(version) for version in of_torch if version is not None}
    by_command = all(record.is_by_command for record in records)
    trained = (
        f"trained with PyTorch {', '.join(sorted(torch))}" if torch else "trained by the study's commands"
    )
    needs = (
        "what its commands read and import" if by_command else "`pip install 'rigorkd[train]'` and the data"
    )
    verdicts = "the means so far" if open_ else "every verdict, interval and warning"
    verdicts += ", sequential ones included" if asked else ""
    lines = [
        f"# The study {name}",
        "",
        f"{count(verified.records, 'run')} with everything that their verdicts rest on, packed by rigorkd",
        f"{__version__} ({count(files, 'file')}; {trained}).",
        *(["", "This is a smoke run on synthetic data: no result of anything."] if info.smoke else []),
        *(
            ["", f"{open_} Nothing was judged yet; `rigorkd analyze --interim` judges what is there."]
            * bool(open_)
        ),
        "",
        "The digest of the study, one hash of its plan, protocol, records and their files; cite it with the",
        "archive:",
        "",
        f"    {verified.digest}",
        "",
        "## Verify it",
        "",
        f"    pip install rigorkd        # {__version__} or newer; PyTorch is not needed",
        f"    cd {name}",
        f"    rigorkd verify results/{name} --against {verified.digest}",
        f"    rigorkd analyze results/{name}{asked}",
        "",
        "The first says whether every file is what was committed, and this the study of the digest; the",
        f"second {'says how far the study is' if open_ else 'computes every verdict again'}. With {needs},",
        f"`rigorkd verify results/{name} --rerun 2` trains two runs again and compares "
        f"{'their numbers' if by_command else 'their bits'}.",
        "",
        "## What is in it",
        "",
        "| file | holds |",
        "|---|---|",
        "| report.html | the report, for people |",
        f"| analysis.json | {verdicts}, for programs |",
        "| protocol.yaml | what was run, and what was to be compared |",
        "| environment.json | versions and hardware, by the records |",
        f"| results/{name}/study.json | the plan as the first run fixed it |",
        f"| results/{name}/looks.jsonl | when results were analysed, on which seeds |",
        f"| results/{name}/changes.jsonl | what was removed or merged, if anything was |",
        f"| results/{name}/…/seed-k/ | a run: record.json, history.csv, predictions.npz |",
        "",
    ]
    if left_out:
        lines.append(f"The weights of {count(left_out, 'student')} are not in it; their hashes are.\n")
    if warnings:
        lines += ["## To be told with every claim from it", "", *(f"- {text}" for text in warnings), ""]
    return "\n".join(lines)
