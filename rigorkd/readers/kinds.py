"""Every kind of results that rigorkd reads, and which one a source is."""

from __future__ import annotations

import glob as globs
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.readers.listing import Listing, listing, most_unpacked, read_named
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.readers.shapes import check_headings
from rigorkd.text import nearest, some_of

Told = Callable[[str], None]

LONG = 10 * 2**20
"""Bytes of a file that takes long enough to say so."""


@dataclass(frozen=True)
class Tracker:
    """A kind of log folder: which of its files it claims, and what reads them (`module:function`).

    The function takes the listing, the files claimed, and the way of reading; it gives raw tables. Where a
    name is a common one, `proof` says of a file among others whether it is of this kind.
    """

    key: str
    title: str
    claims: Callable[[Path], bool]
    target: str
    rank: int = 0
    proof: str = ""

    def proven(self, path: Path) -> bool:
        """Whether a file that is claimed by its name is of this kind."""
        module, _, name = self.proof.partition(":")
        return not module or bool(getattr(import_module(f"rigorkd.readers.{module}"), name)(path))

    def read(self, found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
        module, name = self.target.split(":")
        tables: list[RawTable] = getattr(import_module(f"rigorkd.readers.{module}"), name)(
            found, files, asked
        )
        return tables


def is_lightning(path: Path) -> bool:
    """Whether a file is a log of Lightning's: any other program may call one metrics.csv."""
    return path.name == "metrics.csv" and (
        path.parent.name.startswith("version_") or (path.parent / "hparams.yaml").is_file()
    )


def is_inspect(path: Path) -> bool:
    """Whether a file is a log of Inspect's, by the name that it gives them."""
    stamp = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d[+-]\d\d-\d\d_.+\.json"
    return path.suffix == ".eval" or re.fullmatch(stamp, path.name) is not None


def is_lm_eval(path: Path) -> bool:
    """Whether a file is one of lm-evaluation-harness's, by the name that it gives them."""
    if path.suffix == ".jsonl":
        return path.name.startswith("samples_")
    stamp = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d"
    return re.fullmatch(rf"results_{stamp}(\.\d+)?\.json|.+_{stamp}\.\d{{6}}\.json", path.name) is not None


def is_database(path: Path) -> bool:
    """Whether a file is called as MLflow's database, or any other of SQLite's; Windows' Thumbs.db is none."""
    return path.suffix in (".db", ".sqlite", ".sqlite3") and path.name.casefold() != "thumbs.db"


TRACKERS = (
    Tracker("wandb", "W&B run folders", lambda path: path.suffix == ".wandb", "wandb_runs:read"),
    Tracker("mlflow", "MLflow file store", lambda path: path.name == "meta.yaml", "mlflow_store:read"),
    Tracker("mlflow-db", "MLflow database", is_database, "mlflow_db:read", proof="mlflow_db:is_one"),
    Tracker(
        "trainer",
        "Hugging Face trainer_state.json",
        lambda path: path.name == "trainer_state.json",
        "trainer_state:read",
    ),
    Tracker("mdistiller", "mdistiller logs", lambda path: path.name == "worklog.txt", "mdistiller:read"),
    Tracker(
        "lm-eval",
        "lm-evaluation-harness logs",
        is_lm_eval,
        "lm_eval:read",
    ),
    Tracker("inspect", "Inspect logs", is_inspect, "inspect_logs:read"),
    Tracker("lightning", "Lightning's CSV logs", is_lightning, "lightning:read"),
    Tracker(
        "tensorboard",
        "TensorBoard event files",
        lambda path: "tfevents" in path.name,
        "tensorboard:read",
        rank=1,
    ),
)
"""A lower rank goes first: a log that TensorBoard's files repeat is read by its own reader."""

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".xlsx", ".xlsm", ".parquet", ".pq")
"""How the names of tables end."""

REMOTE = {"wandb": "wandb_api:read", "mlflow": "mlflow_api:read"}
"""Sources that are asked for over the network: `wandb:ENTITY/PROJECT`, `mlflow:URL/EXPERIMENT`."""

KINDS = (*(tracker.key for tracker in TRACKERS), "table")
"""What `--from` may name."""


def remote(source: str) -> str | None:
    """Which tracker's server a source names, None if it names a file or folder."""
    scheme = source.partition(":")[0]
    return scheme if scheme in REMOTE and ":" in source else None


def read_sources(sources: Sequence[str], asked: Reading, told: Told = lambda text: None) -> list[RawTable]:
    """The tables of files, globs, folders and trackers' servers; `told` hears of what takes long.

    Raises:
        InputError: there is no such thing, or it is of no kind, or of several, that can be read.
    """
    if asked.kind is not None and asked.kind not in KINDS:
        close = nearest(asked.kind, KINDS)
        raise InputError(
            f"--from {asked.kind}: no such kind",
            hint=f"did you mean --from {close}?" if close else f"there are: {', '.join(KINDS)}",
        )
    tables: list[RawTable] = []
    seen: set[Path] = set()
    for source in sources:
        if scheme := remote(source):
            module, name = REMOTE[scheme].split(":")
            told(f"asking for the runs of {source}")
            read = getattr(import_module(f"rigorkd.readers.{module}"), name)
            tables += read(source.partition(":")[2], asked)
            continue
        paths = expanded(source)
        for number, path in enumerate(paths):
            if path.is_file() and path.resolve() in seen:
                raise InputError(f"{path}: named twice", hint="every run counts once: name each file once")
            seen.add(path.resolve())
            size = path.stat().st_size if path.is_file() else 0
            if size > LONG or (number and number % 500 == 0):
                told(f"reading {path} ({number + 1:,} of {len(paths):,}, {size / 2**20:,.0f} MB)")
            tables += _folder(path, asked) if path.is_dir() else [_file(path, asked)]
    return tables


def expanded(source: str) -> list[Path]:
    """The paths that a source names: itself, or what fits its `*`."""
    path = Path(source)
    if path.exists() or not globs.has_magic(source):
        return [Path("/dev/stdin") if source == "-" else path]
    found = sorted(globs.glob(source, recursive=True))  # noqa: PTH207
    if not found:
        raise InputError(f"{source}: nothing fits this pattern", hint="look at the folder's files")
    paths = [Path(name) for name in found]
    odd = next((path for path in paths if not path.is_file() and not path.is_dir()), None)
    if odd is not None:  # nobody named it: a pipe is waited for, a device has no end
        raise InputError(f"{odd}: not a regular file", hint="remove it, or name the files")
    return paths


def _file(path: Path, asked: Reading) -> RawTable:
    """A file that was named."""
    tracker = next(
        (
            one
            for one in TRACKERS
            if one.claims(path) and asked.kind in (None, one.key) and one.key != "lightning"
        ),
        None,
    )
    if tracker is not None and path.is_file():
        found = Listing(path.parent, (path,))
        tables = tracker.read(found, [path], asked)
        return tables[0]
    if asked.kind not in (None, "table", "lightning"):
        raise _other_kind(path, asked.kind)
    return read_table(path, read_named(path), asked)


def read_table(path: Path, content: bytes, asked: Reading) -> RawTable:
    """A file that holds a table, by its ending and its first bytes."""
    file, ending = str(path), path.suffix.casefold()
    if ending == ".gz" and content.startswith(b"\x1f\x8b"):  # as pandas writes runs.csv.gz
        ending, content = Path(path.stem).suffix.casefold(), _unzipped(path, content)
    if what := _packed(content):
        raise InputError(f"{file}: {what}, and no table", hint="unpack it or save it as CSV, and name that")
    if ending in (".xlsx", ".xlsm") or content.startswith(b"PK\x03\x04"):
        from rigorkd.readers.workbook import read_workbook

        return read_workbook(file, content, asked)
    if asked.sheet is not None:
        raise InputError(f"{file}: --sheet {asked.sheet}, but it is no workbook", hint="leave --sheet out")
    if ending in (".parquet", ".pq") or content.startswith(b"PAR1"):
        from rigorkd.readers.parquet import read_parquet

        return read_parquet(file, content)
    if ending in (".jsonl", ".ndjson"):
        from rigorkd.readers.json_records import read_json_lines

        return read_json_lines(file, content)
    if ending == ".json":
        from rigorkd.readers.json_records import json_document, json_table
        from rigorkd.readers.lm_eval import is_results, read_results

        document = json_document(file, content)
        return read_results(file, document) if is_results(document) else json_table(file, document)
    if ending in (".pkl", ".pickle", ".pt", ".pth"):
        raise InputError(
            f"{file}: a pickle, which runs code when it is read", hint="save the results as CSV or JSON"
        )
    from rigorkd.readers.delimited import read_delimited

    return read_delimited(file, content, asked)


def _unzipped(path: Path, content: bytes) -> bytes:
    """The content of a file that gzip compressed; InputError if it is none, or far too large."""
    most = most_unpacked(content)
    unpacker = zlib.decompressobj(wbits=31)
    try:
        whole = unpacker.decompress(content, most)
    except zlib.error as error:
        raise InputError(f"{path}: damaged ({error})", hint="write or fetch it again") from None
    if unpacker.unconsumed_tail or not unpacker.eof or unpacker.unused_data:
        raise InputError(f"{path}: cut off, or larger than {most:,} bytes", hint="unpack it, and name that")
    return whole


_MAGIC = (
    (b"\x1f\x8b", "compressed by gzip"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ\0", "compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"7z\xbc\xaf\x27\x1c", "an archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old workbook (.xls)"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"%PDF-", "a PDF"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3\0", "a database"),
    (b"\x93NUMPY", "an array of NumPy"),
)
"""How files begin that are no tables, whatever they are called."""


def _packed(content: bytes) -> str | None:
    """What a file is that only looks like a table by its name."""
    found = next((what for mark, what in _MAGIC if content.startswith(mark)), None)
    if found is None and re.match(rb"\x80[\x02-\x05]", content):
        return "a pickle, which runs code when it is read"
    if found is None and content.startswith(b"PK\x03\x04") and b"[Content_Types].xml" not in content:
        return "an archive (.zip)"
    return found


def _folder(path: Path, asked: Reading) -> list[RawTable]:
    found = listing(path)
    claimed = {tracker: files for tracker in TRACKERS if (files := found.named(tracker.claims))}
    claimed = {tracker: files for tracker, files in claimed.items() if asked.kind in (None, tracker.key)}
    if asked.kind == "table":
        claimed = {}
    strange: list[Path] = []
    if asked.kind is None and (len(claimed) > 1 or any(file.suffix in TABLES for file in found.files)):
        strange = [file for tracker, files in claimed.items() for file in files if not tracker.proven(file)]
        claimed = {
            tracker: own
            for tracker, files in claimed.items()
            if (own := [file for file in files if file not in strange])
        }
    if claimed:
        rank = min(tracker.rank for tracker in claimed)
        first = [tracker for tracker in claimed if tracker.rank == rank]
        if len(first) > 1:
            kinds = ", ".join(f"{one.key} ({one.title}, {len(claimed[one])} files)" for one in first)
            raise InputError(f"{path}: several kinds of logs: {kinds}", hint=f"give --from {first[0].key}")
        tables = first[0].read(found, claimed[first[0]], asked)
        others = [one for one in claimed if one not in first]
        told = tuple(f"{one.title} beside them (--from {one.key} reads those)" for one in others)
        tables = [replace(table, dropped=(*table.dropped, *told)) for table in tables]
    elif asked.kind not in (None, "table"):
        raise _other_kind(path, asked.kind)
    else:
        tables = _tables(path, found, asked)
    if strange:
        told = (f"{some_of([str(file.relative_to(path)) for file in strange], 3)}, no logs of MLflow",)
        tables = [replace(table, dropped=(*table.dropped, *told)) for table in tables]
    from rigorkd.readers.hydra import with_overrides

    return with_overrides(found, tables)


def _other_kind(path: Path, kind: str) -> InputError:
    return InputError(f"{path}: nothing of the kind {kind!r} in it", hint="leave --from out")


def _tables(path: Path, found: Listing, asked: Reading) -> list[RawTable]:
    """The tables of a folder, which must be of one form."""
    files = [file for file in found.files if file.suffix.casefold() in TABLES and ".hydra" not in file.parts]
    if not files:
        raise InputError(
            f"{path}: a folder, but no study, and no table or log in it",
            hint="give a study folder, a folder of CSV, JSON, XLSX or Parquet files, or of logs of "
            + ", ".join(tracker.key for tracker in TRACKERS),
        )
    from rigorkd.readers.hydra import configurations, with_configurations

    configured = set(configurations(found))
    files = [file for file in files if file not in configured]
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(file.name, []).append(file)
    several = {name: own for name, own in by_name.items() if len(own) > 1}
    if len(by_name) > 1 and several:
        shown = ", ".join(f"{name} ({len(own)} times)" for name, own in list(by_name.items())[:5])
        name = max(several, key=lambda key: len(several[key]))
        raise InputError(
            f"{path}: several kinds of tables: {shown}",
            hint=f"name one by a glob, such as '{path}/**/{name}'",
        )
    tables = [read_table(file, found.read(file), asked) for file in files]
    columns = {frozenset(_form(str(name)) for name in table.frame.columns) for table in tables}
    if len(columns) > 1 and len(by_name) > 1:
        for table in tables:
            check_headings(table)
        shown = ", ".join(str(file.relative_to(path)) for file in files[:4])
        raise InputError(
            f"{path}: tables with different columns: {shown}", hint="name the ones that hold the runs"
        )
    return with_configurations(found, tables)


def _form(name: str) -> str:
    return re.sub(r"\s+", "", name.casefold())
