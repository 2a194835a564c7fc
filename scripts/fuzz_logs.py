"""What the fuzzer harms beside studies, protocols and tables: small logs of every tracker, printed tables."""

from __future__ import annotations

import contextlib
import io
import json
import random
import sqlite3
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUNS = [
    (method, seed, 70.0 + seed + 2 * (method == "kd")) for method in ("baseline", "kd") for seed in range(3)
]

COMMAND = """\
rigorkd: 1
study: called
trainer:
  command: "python train.py {seed} {method} [{T}] {out}"
  metrics: {acc: max}
students: [small]
groups: {main: {baseline: true, kd: {T: [2, 4]}}}
seeds: 3
analysis: {sesoi: 0.5}
"""
PROGRAM = """\
import json, pathlib, random, sys
seed, out, rng = sys.argv[1], pathlib.Path(sys.argv[-1]), random.Random(" ".join(sys.argv[1:-1]))
right = [rng.random() < 0.7 for _ in range(100)]
(out / "metrics.json").write_text(json.dumps({"acc": sum(right)}))
(out / "predictions.csv").write_text("target,prediction\\n" + "".join(f"0,{int(not r)}\\n" for r in right))
(out / "history.csv").write_text("epoch,loss\\n1,1.5\\n2,1.25\\n")
"""


def json_text(value: Any) -> bytes:
    return json.dumps(value).encode()


def inspect() -> dict[str, bytes]:
    """Inspect's logs, of both forms."""
    found = {}
    for method, seed, value in RUNS:
        log = {
            "status": "success",
            "eval": {
                "eval_id": f"{method}{seed}",
                "task": "toy",
                "metadata": {"method": method, "seed": seed},
            },
            "results": {"scores": [{"name": "match", "metrics": {"accuracy": {"value": value / 100}}}]},
        }
        samples = [
            {"id": n, "scores": {"match": {"value": "C" if n % (2 + seed) else "I"}}} for n in range(9)
        ]
        if seed:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("header.json", json.dumps(log))
                archive.writestr("summaries.json", json.dumps(samples))
            found[f"{method}{seed}.eval"] = packed.getvalue()
        else:
            name = f"2026-10-01T10-00-00-00-00_toy_{method}.json"
            found[name] = json_text({**log, "samples": samples})
    return found


def lm_eval() -> dict[str, bytes]:
    """The samples of lm-evaluation-harness: scores of items."""
    found = {}
    for method, seed, _ in RUNS:
        rows = [
            {
                "doc_id": n,
                "filter": "none",
                "metrics": ["acc"],
                "doc_hash": f"{n:064x}",
                "acc": float(n % (2 + seed) > 0),
            }
            for n in range(9)
        ]
        place = f"models__{method}-s{seed}"
        found[f"{place}/samples_arc_2026-10-01T10-00-00.jsonl"] = b"\n".join(map(json_text, rows))
        told = {"model_name": f"models/{method}-s{seed}", "config": {"batch_size": 8}}
        found[f"{place}/results_2026-10-01T10-00-00.json"] = json_text(told)
    return found


def trainer() -> dict[str, bytes]:
    """The states of Hugging Face's Trainer."""
    return {
        f"{method}-s{seed}/checkpoint-4/trainer_state.json": json_text(
            {
                "global_step": 4,
                "max_steps": 4,
                "num_train_epochs": 2,
                "log_history": [{"epoch": 1.0, "loss": 1.0}, {"epoch": 2.0, "eval_accuracy": value}],
                "stateful_callbacks": {"TrainerControl": {"args": {"should_training_stop": False}}},
            }
        )
        for method, seed, value in RUNS
    }


def mdistiller() -> dict[str, bytes]:
    """mdistiller's logs."""
    return {
        f"{method},res8x4-s{seed}/worklog.txt": "".join(
            f"{'-' * 25}\nepoch: {epoch}\nlr: 0.05\ntest_acc: {value - 2 + epoch:.2f}\n" for epoch in (1, 2)
        ).encode()
        + b"best_acc\t99.99"
        for method, seed, value in RUNS
    }


def mlflow() -> dict[str, bytes]:
    """MLflow's file store."""
    found = {"1/meta.yaml": b"experiment_id: '1'\nname: kd\nlifecycle_stage: active\n"}
    for number, (method, seed, value) in enumerate(RUNS):
        run = f"1/{number:032x}"
        found[f"{run}/meta.yaml"] = (
            f"run_id: r{number}\nrun_name: r{number}\nstatus: 3\nstart_time: 1\n".encode()
        )
        found[f"{run}/params/method"] = method.encode()
        found[f"{run}/params/seed"] = str(seed).encode()
        found[f"{run}/metrics/test/acc"] = f"1700 {value - 1} 0\n1800 {value} 1\n".encode()
    return found


def lightning() -> dict[str, bytes]:
    """Lightning's CSV logs, in run folders of Hydra."""
    found = {}
    for number, (method, seed, value) in enumerate(RUNS):
        found[f"{number}/version_0/metrics.csv"] = f"epoch,step,test_acc\n0,1,\n1,2,{value}\n".encode()
        found[f"{number}/version_0/hparams.yaml"] = (
            f"method: {method}\nseed: {seed}\nopt: {{lr: 0.1}}\n".encode()
        )
        found[f"{number}/.hydra/overrides.yaml"] = f"- method={method}\n- seed={seed}\n".encode()
        found[f"{number}/.hydra/config.yaml"] = f"method: {method}\nseed: {seed}\nlist: [1, 2]\n".encode()
    return found


def mlflow_database() -> dict[str, bytes]:
    """MLflow's database."""
    with contextlib.closing(sqlite3.connect(":memory:")) as made:
        made.executescript(
            "CREATE TABLE experiments (experiment_id INTEGER, name VARCHAR);"
            "CREATE TABLE runs (run_uuid, name, status, start_time, end_time, lifecycle_stage,"
            " experiment_id);"
            "CREATE TABLE params (key, value, run_uuid);"
            "CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan);"
            "CREATE TABLE latest_metrics (key, value, timestamp, step, is_nan, run_uuid);"
            "INSERT INTO experiments VALUES (1, 'kd');"
        )
        for method, seed, value in RUNS:
            run = f"{method}{seed}"
            made.execute("INSERT INTO runs VALUES (?, ?, 'FINISHED', 1, 2, 'active', 1)", (run, run))
            made.execute("INSERT INTO params VALUES ('method', ?, ?)", (method, run))
            made.execute("INSERT INTO params VALUES ('seed', ?, ?)", (str(seed), run))
            made.execute("INSERT INTO metrics VALUES ('test/acc', ?, 2, ?, 1, 0)", (value, run))
            made.execute("INSERT INTO latest_metrics VALUES ('test/acc', ?, 2, 1, 0, ?)", (value, run))
        made.commit()
        return {"mlflow.db": made.serialize()}


def wandb() -> dict[str, bytes]:
    """W&B's run files, where wandb is installed to say what its messages are."""
    try:
        from wandb.proto import wandb_internal_pb2
    except ImportError:
        return trainer()
    messages: Any = wandb_internal_pb2
    found = {}
    for method, seed, value in RUNS:
        records = [messages.Record() for _ in range(3)]
        records[0].run.run_id = f"{method}{seed}"
        for name, setting in (("method", method), ("seed", seed), ("optimizer", {"lr": 0.1})):
            item = records[0].run.config.update.add()
            item.key, item.value_json = name, json.dumps(setting)
        item = records[1].summary.update.add()
        item.key, item.value_json = "test/acc", json.dumps(value)
        records[2].exit.exit_code = 0
        content = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
        for record in records:
            data = record.SerializeToString()
            content += struct.pack("<IHB", 0, len(data), 1) + data
        found[f"offline-run-{method}{seed}/run-{method}{seed}.wandb"] = content
    return found


def workbook() -> dict[str, bytes]:
    """A workbook, where openpyxl is installed to write one."""
    try:
        import openpyxl
    except ImportError:
        return mdistiller()
    book, made = openpyxl.Workbook(), io.BytesIO()
    sheet: Any = book.active
    sheet.append(["cell", "seed", "test_acc"])
    for row in RUNS:
        sheet.append(list(row))
    book.save(made)
    return {"runs.xlsx": made.getvalue()}


LOGS: tuple[Callable[[], dict[str, bytes]], ...] = (
    *(inspect, lm_eval, trainer, mdistiller, mlflow, lightning, mlflow_database, wandb, workbook),
)

PRINTED = (
    "\\begin{tabular}{lcc}\n\\toprule\nMethod & Top-1 & Top-5 \\\\\n\\midrule\n"
    "Baseline & 69.10 $\\pm$ 0.20 & 88.1 \\\\\n"
    "KD~\\cite{hinton} & \\textbf{71.30} $\\pm$ 0.15 & 90.2 \\\\\n\\multicolumn{3}{c}{ours} \\\\\n"
    "\\multirow{2}{*}{Ours} & 72.0(0.3) & 90.9 \\\\\n & 72.4 & 91.0 \\\\\n\\bottomrule\n\\end{tabular}\n",
    "| method | top1 | n |\n|:--|--:|--:|\n| baseline | 69.1 ± 0.2 | 3 |\n| **kd** | 71.3 ± 0.1 | 3 |\n",
    "method,top1,std,n_test\nbaseline,69.1,0.2,10000\nkd,71.3,0.15,10000\n",
)
"""Tables as papers print them."""


def write(files: dict[str, bytes], folder: Path) -> list[Path]:
    """Write files into a folder; where they are."""
    paths = [folder / name for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return paths


def inside_zip(content: bytes, harm: Callable[[str, random.Random], str], rng: random.Random) -> bytes:
    """An archive, one of whose files is harmed as a text."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            text = old.read(name)
            new.writestr(
                name,
                harm(text.decode(errors="replace"), rng).encode(errors="replace") if name == chosen else text,
            )
    return out.getvalue()


def called_study(folder: Path) -> Path:
    """A study whose runs a command has trained: where it lies."""
    folder.mkdir()
    (folder / "called.yaml").write_text(COMMAND)
    (folder / "train.py").write_text(PROGRAM)
    line = [sys.executable, "-m", "rigorkd", "run", "called.yaml", "--jobs", "2"]
    subprocess.run(line, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "results" / "called"
