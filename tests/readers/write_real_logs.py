"""Writes six runs with a tracker's own library: `python write_real_logs.py KIND FOLDER`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VALUES = {"baseline": (72.5, 72.9, 72.3), "kd": (73.5, 73.2, 73.9)}


def runs() -> Iterator[tuple[str, int, float]]:
    for method, values in VALUES.items():
        for seed, value in enumerate(values):
            yield method, seed, value


def wandb(folder: Path) -> None:
    import wandb

    os.environ["WANDB_SILENT"] = "true"
    for method, seed, value in runs():
        config = {"method": method, "seed": seed}
        run = wandb.init(dir=folder, mode="offline", project="p", name=f"{method}-{seed}", config=config)
        for epoch in range(3):
            run.log({"test/acc": value - 2 + epoch, "val/acc": 50 + epoch})
        run.finish()


def tensorboard(folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for method, seed, value in runs():
        with SummaryWriter(str(folder / f"{method}-seed{seed}")) as writer:
            for epoch in range(3):
                writer.add_scalar("test/acc", value - 2 + epoch, epoch)
                writer.add_scalar("val/acc", 50 + epoch, epoch)


def lightning(folder: Path) -> None:
    from lightning.pytorch.loggers import CSVLogger

    for method, seed, value in runs():
        logger = CSVLogger(str(folder), name="lightning_logs")
        logger.log_hyperparams({"method": method, "seed": seed, "lr": 0.1})
        for epoch in range(3):
            logger.log_metrics({"epoch": epoch, "val/acc": 50 + epoch}, step=epoch)
        logger.log_metrics({"epoch": 2, "test/acc": value}, step=3)
        logger.save()


APP = """
import hydra, pathlib
from omegaconf import DictConfig
VALUES = {values}
@hydra.main(version_base="1.3", config_path=None, config_name=None)
def main(config: DictConfig) -> None:
    out = pathlib.Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir)
    (out / "results.csv").write_text("test_acc\\n%s\\n" % VALUES[config.method][config.seed])
main()
"""


def hydra(folder: Path) -> None:
    (folder / "app.py").write_text(APP.replace("{values}", repr(VALUES)))
    grid = ["+method=baseline,kd", "+seed=0,1,2"]
    subprocess.run([sys.executable, "app.py", "--multirun", *grid], cwd=folder, check=True)


def trainer(folder: Path) -> None:
    from transformers.trainer_callback import TrainerState

    for method, seed, value in runs():
        state = TrainerState(max_steps=2, global_step=2, num_train_epochs=2)
        state.log_history = [
            {"epoch": epoch, "step": epoch, "eval_accuracy": (value - 2 + epoch) / 100} for epoch in (1, 2)
        ]
        place = folder / f"{method}-s{seed}" / "checkpoint-2"
        place.mkdir(parents=True)
        state.save_to_json(str(place / "trainer_state.json"))


def mlflow(folder: Path) -> None:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow

    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or (folder / "mlruns").as_uri())
    mlflow.set_experiment("kd")
    for method, seed, value in runs():
        with mlflow.start_run(run_name=f"{method}-{seed}"):
            mlflow.log_params({"method": method, "seed": seed})
            for epoch in range(3):
                mlflow.log_metric("test/acc", value - 2 + epoch, step=epoch)


def inspect(folder: Path) -> None:
    from inspect_ai.dataset import Sample  # noqa: F401  # the package's own first import
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalLog,
        EvalMetric,
        EvalResults,
        EvalSample,
        EvalScore,
        EvalSpec,
        write_eval_log,
    )
    from inspect_ai.scorer import Score

    for method, seed, value in runs():
        right = round(value * 10)
        spec = EvalSpec(
            created=f"2026-10-01T10:0{seed}:00+00:00", task="toy", model="mock/model", dataset=EvalDataset(),
            config=EvalConfig(), metadata={"method": method, "seed": seed},
        )  # fmt: skip
        accuracy = {"accuracy": EvalMetric(name="accuracy", value=right / 1000)}
        samples = [
            EvalSample(
                id=i, epoch=1, input="?", target="a", scores={"match": Score(value="C" if i < right else "I")}
            )
            for i in range(1000)
        ]
        results = EvalResults(scores=[EvalScore(name="match", scorer="match", metrics=accuracy)])
        log = EvalLog(status="success", eval=spec, results=results, samples=samples)
        write_eval_log(log, str(folder / f"{method}{seed}.eval"))


GROUP = """group: toy
task: [{tasks}]
aggregate_metric_list: [{{metric: acc, aggregation: mean, weight_by_size: true}}]
metadata: {{version: 1}}
"""
TASK = """task: {task}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "Question {{{{question}}}}"
doc_to_target: 0
doc_to_choice: ["yes", "no"]
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1}}
"""


def lm_eval(folder: Path) -> None:
    """Ten tasks of 100 questions in a group, evaluated and saved by the harness; models know the first."""
    import json

    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    class Model(LM):
        right = 0

        def loglikelihood(self, requests):  # type: ignore[no-untyped-def]
            knows = [int(one.args[0].split()[-1]) < self.right for one in requests]
            return [
                (-1.0 if (one.args[1].strip() == "yes") == known else -2.0, False)
                for one, known in zip(requests, knows, strict=True)
            ]

        def loglikelihood_rolling(self, requests):  # type: ignore[no-untyped-def]
            raise NotImplementedError

        def generate_until(self, requests):  # type: ignore[no-untyped-def]
            raise NotImplementedError

    made = folder.parent / "tasks"
    made.mkdir()
    names = [f"toy{number}" for number in range(10)]
    (made / "toy.yaml").write_text(GROUP.format(tasks=", ".join(names)))
    for number, name in enumerate(names):
        rows = [{"question": str(number + 10 * at)} for at in range(100)]
        (made / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (made / f"{name}.yaml").write_text(TASK.format(task=name, file=made / f"{name}.jsonl"))
    manager = TaskManager(include_path=str(made), include_defaults=False)
    for method, seed, value in runs():
        model = Model()
        model.right = round(value * 10)
        tracker = EvaluationTracker(output_path=str(folder))
        tracker.general_config_tracker.log_experiment_args(
            "hf", f"pretrained=ckpts/{method}-s{seed}", "", "", False
        )
        found = simple_evaluate(model, tasks=["toy"], task_manager=manager, bootstrap_iters=0)
        samples = found.pop("samples")
        tracker.save_results_aggregated(results=found, samples=samples)
        for task in found["configs"]:
            tracker.save_results_samples(task_name=task, samples=samples[task])


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
