"""Log folders of other programs, in files of their forms: each gives the verdict of the plain table."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sqlite3
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigorkd.report.judging import Question, analysis_of

VALUES = {"baseline": (72.5, 72.9, 72.3), "kd": (73.5, 73.2, 73.9)}
GAIN = {"kd": (0.966667, 3)}
PAIR = {"baseline vs kd": (-0.966667, 3)}


def runs() -> Iterator[tuple[str, int, float]]:
    for method, values in VALUES.items():
        for seed, value in enumerate(values):
            yield method, seed, value


def test_lightning(folder):
    for number, (method, seed, value) in enumerate(runs()):
        rows = ["epoch,step,train_loss,val_acc,test_acc", "0,9,1.5,,", f"0,10,,{value - 5},", "1,19,1.2,,"]
        rows += [f"1,20,,{value - 2},", f"2,20,,,{value}"]
        folder.write(f"lightning_logs/version_{number}/metrics.csv", "\n".join(rows))
        folder.write(
            f"lightning_logs/version_{number}/hparams.yaml", f"method: {method}\nseed: {seed}\nlr: 0.1\n"
        )
    assert folder.gains("lightning_logs", metric="test_acc") == GAIN
    assert folder.gains("lightning_logs", metric="val_acc", select="last") == GAIN
    assert "--select" in folder.refusal("lightning_logs", metric="val_acc")


def test_settings_that_only_code_could_make_are_left_out(folder):
    folder.write("logs/seed1/version_0/metrics.csv", "epoch,test_acc\n0,70\n")
    folder.write("logs/seed1/version_0/hparams.yaml", "x: !!python/object/apply:os.system ['touch stolen']\n")
    source = folder.open("logs", cell="epoch")
    assert source.tidy is not None
    assert any("not plain YAML" in text for text in source.tidy.dropped)
    assert not (folder.path / "stolen").exists()


def test_hydra(folder):
    for number, (method, seed, value) in enumerate(runs()):
        run = f"multirun/2026-10-01/10-00-00/{number}"
        folder.write(
            f"{run}/.hydra/overrides.yaml", f"- method={method}\n- seed={seed}\n- +trainer.precision=16\n"
        )
        folder.write(f"{run}/.hydra/config.yaml", f"method: {method}\nseed: {seed}\nstudent: r8\n")
        folder.write(f"{run}/results.csv", f"test_accuracy\n{value}\n")
        folder.write(f"{run}/train.log", "…")
    assert folder.gains("multirun") == {"r8/kd": GAIN["kd"]}


def test_the_trainer_of_hugging_face(folder):
    for method, seed, value in runs():
        for step, share in ((5, 0.9), (10, 1.0)):
            history = [
                {"loss": 1.0, "epoch": 0.5, "step": 5},
                {"eval_accuracy": value * share / 100, "epoch": 1, "step": 5},
            ]
            history += [{"eval_accuracy": value / 100, "epoch": 2, "step": 10}] if step == 10 else []
            state = {"log_history": history, "global_step": step, "max_steps": 10, "num_train_epochs": 2}
            folder.write(f"out/{method}-seed{seed}/checkpoint-{step}/trainer_state.json", json.dumps(state))
    assert folder.gains("out", select="last") == {"baseline vs kd": (-0.009667, 3)}
    tidy = folder.open("out", select="last").tidy
    assert tidy is not None
    assert any("earlier checkpoints" in text for text in tidy.dropped)


def test_a_trainer_that_was_cut_off_is_missing(folder):
    for method, seed, value in runs():
        done = 10 if (method, seed) != ("kd", 2) else 5
        state = {
            "log_history": [{"eval_accuracy": value, "epoch": 1, "step": done}],
            "global_step": done,
            "max_steps": 10,
        }
        folder.write(f"out/{method}-s{seed}/checkpoint-{done}/trainer_state.json", json.dumps(state))
    assert folder.gains("out", select="last") == {"baseline vs kd": (-0.65, 2)}
    assert folder.open("out", select="last").warnings == ("1 run did not finish and is missing",)


def worklog(value: float, finished: bool = True) -> str:
    blocks = [
        "-" * 25
        + f"\nepoch: {epoch}\nlr: 0.05\ntrain_acc: {value:.2f}\ntest_acc: {value + epoch - 3:.2f}\n"
        + "-" * 25
        for epoch in (1, 2, 3)
    ]
    return "\n".join(blocks) + ("\nbest_acc\t99.99" if finished else "")


def test_mdistiller(folder):
    for method, seed, value in runs():
        folder.write(f"output/cifar100/{method},res32x4,res8x4-s{seed}/worklog.txt", worklog(value))
    (gain,) = folder.gains("output", select="last", metric="test_acc").values()
    assert gain == PAIR["baseline vs kd"]
    tidy = folder.open("output", select="last", metric="test_acc").tidy
    assert tidy is not None
    assert all("best_acc" in text for text in tidy.dropped)
    (told,) = tidy.dropped  # one line, of however many logs
    assert re.search(r"worklog\.txt and \d+ more: best_acc, the best epoch on the test data", told)


def test_mlflow(folder):
    folder.write("mlruns/1/meta.yaml", "experiment_id: '1'\nname: kd\nlifecycle_stage: active\n")
    for number, (method, seed, value) in enumerate([*runs(), ("kd", 2, 10.0)]):
        run = f"mlruns/1/{number:032x}"
        status = 3 if number < 6 else 4
        folder.write(
            f"{run}/meta.yaml",
            f"run_id: {number:032x}\nrun_name: r{number}\nstatus: {status}\nstart_time: 17\n"
            "lifecycle_stage: active\n",
        )
        folder.write(f"{run}/params/method", method)
        folder.write(f"{run}/params/seed", str(seed))
        folder.write(f"{run}/metrics/test/acc", f"1700 {value - 3} 0\n1800 {value} 1\n")
        folder.write(f"{run}/metrics/val_acc", f"1700 {50 - number} 0\n1800 40 1\n")
        folder.write(f"{run}/tags/mlflow.user", "me")
    assert folder.gains("mlruns", metric="test/acc") == GAIN
    assert folder.gains("mlruns", metric="test/acc", select="last") == GAIN
    best = folder.open("mlruns", metric="test/acc", select="best:val_acc").table
    assert best["test/acc"].astype(float).tolist()[0] == 69.5
    tidy = folder.open("mlruns", metric="test/acc").tidy
    assert tidy is not None
    assert [text.partition(": ")[2] for text in tidy.dropped] == [
        "r6 (failed): did not finish; another try of this seed did"
    ]


def wandb_file(method: str, seed: int, value: float, exit_code: int | None = 0) -> bytes:
    """A `.wandb` file as W&B lays it out: a log of LevelDB's form with its messages."""
    pb = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))

    def put(record: object) -> None:
        data = record.SerializeToString()  # type: ignore[attr-defined]
        out.extend(struct.pack("<IHB", 0, len(data), 1) + data)

    run = pb.Record()
    run.run.run_id, run.run.display_name = f"{method}{seed}", f"{method}-s{seed}"
    for name, setting in (("method", method), ("seed", seed), ("optimizer", {"lr": 0.1})):
        item = run.run.config.update.add()
        item.key, item.value_json = name, json.dumps(setting)
    put(run)
    for step in range(2):
        row = pb.Record()
        for name, number in (("_step", step), ("test/acc", value - 1 + step), ("val/acc", 50 - step)):
            item = row.history.item.add()
            item.nested_key.append(name)
            item.value_json = json.dumps(number)
        put(row)
    summary = pb.Record()
    item = summary.summary.update.add()
    item.key, item.value_json = "test/acc", json.dumps(value)
    put(summary)
    if exit_code is not None:
        end = pb.Record()
        end.exit.exit_code = exit_code
        put(end)
    return bytes(out)


def test_run_folders_of_wandb(folder):
    for method, seed, value in runs():
        folder.write(
            f"wandb/offline-run-{method}{seed}/run-{method}{seed}.wandb", wandb_file(method, seed, value)
        )
    folder.write("wandb/offline-run-x/run-x.wandb", wandb_file("kd", 2, 10.0, exit_code=1))
    folder.write("wandb/offline-run-y/run-y.wandb", wandb_file("kd", 2, 10.0, exit_code=None)[:-5])
    assert folder.gains("wandb") == GAIN
    assert folder.gains("wandb", metric="test/acc", select="best:val/acc") == GAIN
    tidy = folder.open("wandb").tidy
    assert tidy is not None
    assert sum("did not finish; another try" in text for text in tidy.dropped) == 2
    folder.write("wandb/offline-run-z/run-z.wandb", b"something else")
    assert "not a run that W&B wrote" in folder.refusal("wandb")


SCORES = {  # of three models and six items
    "baseline": ([1, 0, 1, 0, 1, 0], [1, 0, 0, 0, 1, 0], [1, 1, 1, 0, 1, 0]),
    "kd": ([1, 1, 1, 0, 1, 0], [1, 1, 0, 0, 1, 1], [1, 1, 1, 0, 1, 1]),
}
ITEM_GAIN = (0.222222, 3)


def test_samples_of_lm_evaluation_harness(folder):
    time = "2026-10-01T10-00-00.000001"
    for method, seeds in SCORES.items():
        for seed, scores in enumerate(seeds):
            place = f"out/models__{method}-s{seed}"
            samples = [
                {"doc_id": i, "doc": {"q": "?"}, "target": "a", "resps": [["a"]], "filtered_resps": ["a"],
                 "filter": "none", "metrics": ["acc"], "doc_hash": f"{i:064x}", "acc": float(score)}
                for i, score in enumerate(scores)
            ]  # fmt: skip
            folder.write(f"{place}/samples_arc_{time}.jsonl", "\n".join(map(json.dumps, samples)))
            mean = sum(scores) / len(scores)
            results = {"results": {"arc": {"acc,none": mean}}, "model_name": f"models/{method}-s{seed}",
                       "config": {"model": "hf", "random_seed": 0, "batch_size": 8}}  # fmt: skip
            folder.write(f"{place}/results_{time}.json", json.dumps(results))
    (gain,) = folder.gains("out").values()
    assert gain == (-ITEM_GAIN[0], 3)
    source = folder.open("out")
    assert source.tidy is not None
    assert "acc, the only one" in source.tidy.understood[2]
    result = analysis_of(source, Question())
    assert [(image.images, image.n) for image in result.images] == [(6, 3)]


def inspect_log(method: str, seed: int, scores: list[int], status: str = "success") -> dict[str, object]:
    accuracy = sum(scores) / len(scores)
    told = {"eval_id": f"{method}{seed}", "run_id": "r", "created": f"2026-10-01T10:0{seed}:00+00:00"}
    return {
        "version": 2,
        "status": status,
        "eval": {**told, "task": "toy", "model": "mock/model", "metadata": {"method": method, "seed": seed}},
        "results": {"scores": [{"name": "match", "metrics": {"accuracy": {"value": accuracy}}}]},
        "samples": [
            {"id": item, "epoch": 1, "scores": {"match": {"value": "C" if score else "I"}}}
            for item, score in enumerate(scores)
        ],
    }


def test_logs_of_inspect(folder):
    for method, seeds in SCORES.items():
        for seed, scores in enumerate(seeds):
            log = inspect_log(method, seed, scores)
            if seed:
                packed = io.BytesIO()
                with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                    samples = log.pop("samples")
                    archive.writestr("header.json", json.dumps(log))
                    archive.writestr("summaries.json", json.dumps(samples))
                folder.write(f"logs/{method}{seed}.eval", packed.getvalue())
            else:
                folder.write(f"logs/2026-10-01T10-00-00-00-00_toy_{method}.json", json.dumps(log))
    folder.write(
        "logs/2026-10-01T10-09-00-00-00_toy_x.json", json.dumps(inspect_log("kd", 2, [0] * 6, "error"))
    )
    assert folder.gains("logs") == {"kd": ITEM_GAIN}
    result = analysis_of(folder.open("logs"), Question())
    assert [(image.images, image.n) for image in result.images] == [(6, 3)]


def test_a_chart_that_wandb_exported(folder):
    names = [f"{method}-s{seed} - test/acc" for method, seed, _ in runs()]
    heading = ["Step", *(f"{name}{end}" for name in names for end in ("", "__MIN", "__MAX"))]
    rows = [[step, *(value - 2 + step for _, _, value in runs() for _ in range(3))] for step in range(3)]
    text = "\n".join(",".join(f'"{field}"' for field in row) for row in (heading, *rows))
    folder.write("chart.csv", text)
    assert "--select" in folder.refusal("chart.csv")
    assert folder.gains("chart.csv", select="last") == PAIR
    short = [[row[0], *row[1::3]] for row in (heading, *rows)]  # without the range of each
    text = "\n".join(",".join(f'"{field}"' for field in row) for row in short)
    folder.write("short.csv", text.replace("Step", "train/global_step", 1))
    assert folder.gains("short.csv", select="last") == PAIR


def test_tensorboard_is_asked_for_where_it_is_not_installed(folder):
    folder.write("runs/a/events.out.tfevents.1.host", b"")
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        assert "pip install 'rigorkd[tensorboard]'" in folder.refusal("runs")
    else:
        assert "no scalar" in folder.refusal("runs")


def test_several_kinds_of_logs_are_asked_about(folder):
    folder.write("logs/a/worklog.txt", worklog(70))
    folder.write("logs/b/trainer_state.json", "{}")
    assert "--from trainer" in folder.refusal("logs")
    assert "no such" not in folder.refusal("logs", kind="mdistiller")
    assert "did you mean --from mdistiller" in folder.refusal("logs", kind="mdistill")


MLFLOW_TABLES = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR, lifecycle_stage VARCHAR);
CREATE TABLE runs (run_uuid VARCHAR PRIMARY KEY, name VARCHAR, status VARCHAR, start_time BIGINT,
                   end_time BIGINT, lifecycle_stage VARCHAR, experiment_id INTEGER);
CREATE TABLE params (key VARCHAR, value VARCHAR, run_uuid VARCHAR);
CREATE TABLE metrics (key VARCHAR, value FLOAT, timestamp BIGINT, run_uuid VARCHAR, step BIGINT,
                      is_nan BOOLEAN);
CREATE TABLE latest_metrics (key VARCHAR, value FLOAT, timestamp BIGINT, step BIGINT, is_nan BOOLEAN,
                             run_uuid VARCHAR);
"""
"""The tables of MLflow's tracking store that are read, with the columns that are."""


def mlflow_database(path: Path, experiments: tuple[str, ...] = ("kd",)) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.executescript(MLFLOW_TABLES)
        for number, name in enumerate(experiments):
            database.execute("INSERT INTO experiments VALUES (?, ?, 'active')", (number, name))
            for method, values in (("baseline", (70.0, 71.0, 70.5)), ("kd", (72.0, 73.5, 72.5))):
                for seed, value in enumerate(values):
                    run = f"{name}-{method}-{seed}"
                    stage = ("FINISHED", 1000 + seed, 2000, "active", number)
                    database.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", (run, run, *stage))
                    for key, text in (("method", method), ("seed", str(seed))):
                        database.execute("INSERT INTO params VALUES (?, ?, ?)", (key, text, run))
                    for epoch in (1, 2):
                        own = (value - 2 + epoch, epoch, run, epoch, False)
                        database.execute("INSERT INTO metrics VALUES ('test/acc', ?, ?, ?, ?, ?)", own)
                    latest = ("test/acc", value, 2, 2, False, run)
                    database.execute("INSERT INTO latest_metrics VALUES (?, ?, ?, ?, ?, ?)", latest)
                    theirs = ("rigorkd/mean", 1.0, 2, 0, False, run)
                    database.execute("INSERT INTO latest_metrics VALUES (?, ?, ?, ?, ?, ?)", theirs)
        gone = ("gone", "gone", "FINISHED", 0, 0, "deleted", 0)
        database.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", gone)


def test_mlflows_database(folder):
    mlflow_database(folder.path / "mlflow.db")
    before = (folder.path / "mlflow.db").read_bytes()
    for source in ("mlflow.db", "."):
        assert folder.gains(source, metric="test/acc") == {"kd": (2.166667, 3)}
    found = folder.open("mlflow.db")
    assert found.tidy is not None
    assert "mlflow.db: gone was deleted in MLflow" in found.tidy.dropped[0]
    assert "rigorkd/mean" not in found.table
    assert "experiment" not in found.table
    assert folder.gains("mlflow.db", metric="test/acc", select="last") == {"kd": (2.166667, 3)}
    assert (folder.path / "mlflow.db").read_bytes() == before
    assert [path.name for path in folder.path.iterdir()] == ["mlflow.db"]


def test_several_experiments_in_one_database_are_told_apart(folder):
    mlflow_database(folder.path / "mlflow.db", ("cifar", "pets"))
    gain = (2.166667, 3)
    assert folder.gains("mlflow.db", metric="test/acc") == {"cifar/kd": gain, "pets/kd": gain}
    assert folder.open("mlflow.db").tidy.understood[1].startswith("cells: group, method")


def test_databases_of_other_programs_beside_the_runs_are_left_out(folder):
    folder.write(
        "runs.csv", "cell,seed,acc\n" + "".join(f"{c},{s},{70 + s}\n" for c in "ab" for s in range(3))
    )
    folder.write("cache.db", "no database at all")
    (folder.path / "empty.sqlite").touch()
    assert folder.open(".").tidy.dropped == ("cache.db, empty.sqlite, no logs of MLflow",)
    mlflow_database(folder.path / "runs.db")
    assert folder.gains(".", metric="test/acc") == {"kd": (2.166667, 3)}
    folder.write("mlflow.db", "cut off")
    assert "mlflow.db: the database cannot be read" in folder.refusal(".")


def test_databases_that_are_none_of_mlflow(folder):
    with contextlib.closing(sqlite3.connect(folder.path / "app.db")) as database, database:
        database.execute("CREATE TABLE runs (a)")
    assert "app.db: no database of MLflow" in folder.refusal("app.db")
    folder.write("text.db", "no database")
    assert "text.db: the database cannot be read" in folder.refusal("text.db")
    views = MLFLOW_TABLES.replace("CREATE TABLE runs", "CREATE TABLE hidden")
    with contextlib.closing(sqlite3.connect(folder.path / "view.db")) as database, database:
        database.executescript(views + "CREATE VIEW runs AS SELECT * FROM hidden;")
    assert "no database of MLflow" in folder.refusal("view.db")
