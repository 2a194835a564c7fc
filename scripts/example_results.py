"""Writes a small example of every kind of results that docs/bring.md shows, into the folder that is named.

python scripts/example_results.py examples/ && rigorkd analyze examples/wandb_export.csv
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

VALUES = {"baseline": (72.5, 72.9, 72.3), "kd": (73.5, 73.2, 73.9)}
"""Three seeds of a student alone and distilled."""


def runs() -> Iterator[tuple[str, int, float]]:
    for method, values in VALUES.items():
        for seed, value in enumerate(values):
            yield method, seed, value


def as_csv(rows: list[dict[str, object]], **how: str) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n", **how)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def files() -> dict[str, str]:
    """Every example's text by its path."""
    out: dict[str, str] = {}
    long = [{"student": "r8", "method": m, "seed": s, "test_acc": v} for m, s, v in runs()]
    out["runs.csv"] = as_csv(long)
    out["german.csv"] = as_csv(long, delimiter=";").replace(".", ",")
    out["runs.jsonl"] = "".join(json.dumps(row) + "\n" for row in long)
    out["by_seed.csv"] = "method,test_acc_s0,test_acc_s1,test_acc_s2,mean\n" + "".join(
        f"{m},{','.join(map(str, values))},{sum(values) / 3:.2f}\n" for m, values in VALUES.items()
    )
    out["by_method.csv"] = "seed,baseline,kd\n" + "".join(
        f"{seed},{VALUES['baseline'][seed]},{VALUES['kd'][seed]}\n" for seed in range(3)
    )
    out["by_both.csv"] = "seed,ours_acc,theirs_acc,ours_f1,theirs_f1\n" + "".join(
        f"{seed},{ours},{theirs},{ours / 100:.3f},{theirs / 100:.3f}\n"
        for seed, (theirs, ours) in enumerate(zip(*VALUES.values(), strict=True))
    )
    epochs = [
        {"method": m, "seed": s, "epoch": e, "val_acc": f"{v - 4 + e:.2f}", "test_acc": f"{v - 2 + e:.2f}"}
        for m, s, v in runs()
        for e in range(3)
    ]
    out["epochs.csv"] = as_csv(epochs)
    tries = [(m, s, "finished", "30", v) for m, s, v in runs()] + [("kd", 2, "crashed", "00", 10.0)]
    out["wandb_export.csv"] = as_csv(
        [
            {"Name": f"r8-{m}-s{s}", "State": state, "Created": f"2026-10-01T1{s}:{minute}:00.000Z",
             "seed": s, "method": m, "student": "r8", "test/acc1": value, "val/acc1": value - 1, "_step": 239}
            for m, s, state, minute, value in tries
        ]
    )  # fmt: skip
    out["table2.md"] = (
        "| Method | top1 | n |\n|---|---|---|\n"
        "| baseline | 72.57 ± 0.31 | 3 |\n| KD | **73.53 ± 0.35** | 3 |\n"
    )
    for number, (m, s, v) in enumerate(runs()):
        out[f"runs/{m}/seed_{s}/results.json"] = json.dumps({"test_accuracy": v})
        log = f"lightning_logs/version_{number}"
        out[f"{log}/hparams.yaml"] = f"method: {m}\nseed: {s}\n"
        out[f"{log}/metrics.csv"] = f"epoch,step,val_acc,test_acc\n0,10,{v - 2},\n1,20,{v - 1},\n2,20,,{v}\n"
        job = f"multirun/2026-10-01/10-00-00/{number}"
        out[f"{job}/.hydra/overrides.yaml"] = f"- method={m}\n- seed={s}\n"
        out[f"{job}/results.csv"] = f"test_accuracy\n{v}\n"
        history = [{"eval_accuracy": round(v / 100 - gap, 4), "epoch": e} for e, gap in ((1, 0.01), (2, 0))]
        state = {"log_history": history, "global_step": 20, "max_steps": 20}
        out[f"checkpoints/{m}-s{s}/checkpoint-20/trainer_state.json"] = json.dumps(state)
        rule = "-" * 25
        blocks = "".join(f"{rule}\nepoch: {e}\nlr: 0.05\ntest_acc: {v - 2 + e:.2f}\n{rule}\n" for e in (1, 2))
        out[f"output/cifar100/{m},res32x4,res8x4-s{s}/worklog.txt"] = f"{blocks}best_acc\t{v:.2f}"
        run = f"mlruns/1/{number:032x}"
        told = f"run_id: {number:032x}\nrun_name: {m}-s{s}\nstatus: 3\nlifecycle_stage: active\n"
        out[f"{run}/meta.yaml"] = told
        out |= {f"{run}/params/method": m, f"{run}/params/seed": str(s)}
        out[f"{run}/metrics/test_acc"] = f"17 {v} 0\n"
        samples = [
            {"doc_id": i, "metrics": ["acc"], "acc": float((i * 7 + s) % 9 < v - 68)} for i in range(9)
        ]
        out[f"lm_eval/{m}-s{s}/samples_arc_2026-10-01T10-00-00.0.jsonl"] = "\n".join(map(json.dumps, samples))
    out["mlruns/1/meta.yaml"] = "experiment_id: '1'\nname: kd\nlifecycle_stage: active\n"
    return out


def write(folder: Path) -> None:
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
