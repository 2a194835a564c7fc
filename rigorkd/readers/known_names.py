"""What columns of other people's tables are called, and their trackers' words for how a run ended."""

from __future__ import annotations

import re

from rigorkd_analysis.columns import METHOD_WORDS

_SEEDS = (
    "seed", "random_seed", "rand_seed", "rng_seed", "manual_seed", "run_seed", "train_seed", "training_seed",
    "torch_seed", "random_state", "trial_seed", "numpy_seed", "np_seed", "global_seed", "exp_seed",
    "experiment_seed",
    "startwert", "zufallsstartwert", "graine", "semilla", "semente", "随机种子", "种子", "シード",
)  # fmt: skip

NAMED = ("group", "dataset", "task", "model", "student", "start", "teacher", "method")
"""Columns that define a cell and name it, in the order in which they stand in its name."""

PARAMETERS = {
    "T": "T", "alpha": "a", "beta": "b", "gamma": "g", "lr": "lr", "weight_decay": "wd", "batch_size": "bs",
    "epochs": "e", "optimizer": "", "augmentation": "", "training": "", "views": "",
}  # fmt: skip
"""Columns that define a cell and follow its name, each with its short form."""

ALWAYS = frozenset({"group", "student", "method", "T", "alpha"})
"""Those that define a cell even where all rows agree in them."""

MAY_BE_MEASURED = ("epochs", "precision")
"""Settings by their name that some tables measure: where a run stopped early, and TP / (TP + FP)."""

_CANONICAL = {
    **dict.fromkeys(_SEEDS, "seed"),
    **{name: name for name in (*NAMED, *PARAMETERS) if name != "T"},
    "cell": "cell",
    "student_model": "student", "student_arch": "student", "model_s": "student", "s_model": "student",
    "student_name": "student", "student_net": "student", "student_network": "student", "s_net": "student",
    "net_s": "student", "student_architecture": "student", "student_backbone": "student",
    "teacher_model": "teacher", "teacher_arch": "teacher", "model_t": "teacher", "t_model": "teacher",
    "teacher_name": "teacher", "teacher_net": "teacher", "teacher_network": "teacher", "t_net": "teacher",
    "net_t": "teacher", "teacher_architecture": "teacher", "teacher_backbone": "teacher",
    **dict.fromkeys(METHOD_WORDS, "method"),
    "arch": "model", "architecture": "model", "backbone": "model", "network": "model", "model_name": "model",
    "env": "task", "env_id": "task", "env_name": "task", "environment": "task",
    "data": "dataset", "data_set": "dataset", "benchmark": "dataset", "dataset_name": "dataset",
    "temperature": "T", "temp": "T", "kd_t": "T", "tau": "T",
    "kd_temperature": "T", "kd_temp": "T", "distill_temperature": "T", "distillation_temperature": "T",
    "learning_rate": "lr", "wd": "weight_decay", "bs": "batch_size", "batchsize": "batch_size",
    "optim": "optimizer", "opt": "optimizer", "num_epochs": "epochs", "max_epochs": "epochs",
    "num_train_epochs": "epochs", "n_epochs": "epochs",
    "status": "status", "state": "status", "run_status": "status", "job_status": "status",
    "modell": "model", "modèle": "model", "modele": "model", "modelo": "model", "architektur": "model",
    "模型": "model", "datensatz": "dataset", "jeu_de_données": "dataset", "conjunto_de_datos": "dataset",
    "数据集": "dataset", "lernrate": "lr",
    "epoch": "epoch", "_epoch": "epoch", "epoch_number": "epoch", "epoch_idx": "epoch",
    "step": "step", "_step": "step", "global_step": "step", "iteration": "step", "iter": "step",
    "name": "run", "run": "run", "run_name": "run", "experiment": "run", "experiment_name": "run",
    "exp_name": "run", "exp": "run", "durchlauf": "run", "lauf": "run",
    "run_dir": "run", "job_name": "run", "tags.mlflow.runname": "run",
    "run_id": "run_id", "id": "run_id", "job_id": "run_id", "jobid": "run_id", "uuid": "run_id",
    "trial_id": "run_id",
    "created": "time", "created_at": "time", "start_time": "time", "started": "time", "end_time": "time",
    "finished_at": "time", "timestamp": "time", "_timestamp": "time", "date": "time", "datetime": "time",
    "datetime_start": "time", "time": "time", "submit": "time",
    "fold": "fold", "cv_fold": "fold", "k_fold": "fold", "split_index": "fold",
}  # fmt: skip

PAIRS = frozenset(
    {
        "pair", "model_pair", "network_pair", "arch_pair", "teacher_student", "student_teacher", "t_s", "s_t",
        "teacher_student_pair", "kd_pair", "distillation_pair",
    }
)  # fmt: skip
"""Columns that name a student together with its teacher."""

_BOOKKEEPING = frozenset(
    {
        "runtime", "_runtime", "duration", "elapsed", "notes", "user", "tags", "sweep", "host", "hostname",
        "gpu", "device", "index", "image", "image_index", "example", "repeat", "evaluation", "trial",
        "replicate", "rank", "best_epoch", "epochs_run", "n_test", "n_seeds", "n", "wall_time", "wallclock",
        "num_workers", "port", "pid",
        "run_hash", "teacher_run_hash", "weights_sha256", "hardware", "versions", "mode", "smoke", "table",
        "factor", "study", "precision", "finished", "select", "selection", "selected_on", "latency_shared",
        "params_millions", "macs_millions", "total_flos", "ce_weight", "kd_weight", "doc_id", "sample",
        "item", "github", "commit", "cluster", "order", "level_0", "description", "agent", "gpu_count",
        "gpu_type", "os", "python_version", "git_sha", "git_commit", "git_branch", "node",
        "record_id", "started_at", "ended_at", "duration_s",
    }
)  # fmt: skip
"""Columns that are no results, whatever numbers they hold."""

INNER = (
    "fold",
    "image",
    "image_index",
    "example",
    "index",
    "item",
    "sample",
    "doc_id",
    "repeat",
    "evaluation",
)
"""Columns whose values are no replicates: they are averaged before seeds are compared."""

LONGEST = 1_000
"""Characters of a name in which something known is looked for."""

_PREFIX = re.compile(
    r"^(?:config|params?|hparams|hyperparameters|args|task_args|model_args|metadata|cfg|training|trainer|train|run|general)[./:_-]"
)

STATUSES = {
    **dict.fromkeys(
        (
            "done", "finished", "finish", "complete", "completed", "completed+", "success", "succeeded",
            "successful", "successfully", "ok", "passed", "terminated", "published", "exited_0",
        ),
        "done",
    ),
    **dict.fromkeys(["diverged", "divergence", "nan", "diverging"], "diverged"),
    **dict.fromkeys(
        (
            "missing", "crashed", "crash", "failed", "fail", "failure", "killed", "preempted",
            "preempting", "running", "pending", "queued", "cancelled", "canceled", "timeout", "timed_out",
            "out_of_memory", "oom", "node_fail", "boot_fail", "deadline", "aborted", "abort",
            "interrupted", "stopped", "unfinished", "scheduled", "pruned", "waiting", "requeued",
            "suspended", "error", "errored", "started", "paused", "in_progress", "starting",
            "initializing", "not_started", "resuming",
        ),
        "missing",
    ),
}  # fmt: skip
"""How a run ended, in the words of W&B, MLflow, Slurm, Optuna, Ray, Inspect and ClearML: ours for each."""


def folded(name: str) -> str:
    """A column's name without regard to case, spaces and dashes."""
    return re.sub(r"[\s-]+", "_", name.strip().casefold())


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")


def unhumped(name: str) -> str:
    """A name in camel case with its words apart: `LearningRate` is `Learning_Rate`."""
    return _HUMP.sub("_", name)


_BARE = ("run", "run_id", "time", "group")
"""What a column is called by its whole name alone: W&B's `run_group` is whatever was put together there."""


def canonical(name: str) -> str | None:
    """What a column is, by its name: `seed`, `method`, `status`, … None for one that is not known."""
    if name.strip() == "T":
        return "T"
    if len(name) > LONGEST:
        return None
    short = folded(name)
    if short in _CANONICAL:
        return _CANONICAL[short]
    bare = _PREFIX.sub("", short)
    while bare != short:
        if bare in _CANONICAL and _CANONICAL[bare] not in _BARE:
            return "T" if bare == "t" else _CANONICAL[bare]
        short, bare = bare, _PREFIX.sub("", bare)
    apart = unhumped(name)
    return canonical(apart) if apart != name else None


def is_bookkeeping(name: str) -> bool:
    """Whether a column is known to hold no result."""
    return not {folded(name), folded(unhumped(name))}.isdisjoint(_BOOKKEEPING) or canonical(name) is not None


def is_kind_of_seed(name: str) -> bool:
    """Whether a column is one of several kinds of seeds: `data_seed`, `init_seed`, which set nothing up."""
    words = re.split(r"[^a-z]+", folded(unhumped(name)))
    return canonical(name) is None and "seed" in words and {"n", "num", "no"}.isdisjoint(words)


def status_of(word: str) -> str | None:
    """`done`, `diverged` or `missing` for a tracker's word, "" for none; None for an unknown word."""
    short = folded(word)
    if short in ("", "-"):
        return ""
    short = re.sub(r"^runstatus\.|^trialstate\.|^jobstatus\.", "", short)
    return STATUSES.get(short) or STATUSES.get(short.split("_by_")[0])


_SEED = re.compile(r"(?:^|(?<=[-_/. =\[(,]))(?:seed|Seed|SEED|rng|s|S)[-_=]?(\d{1,19})(?=$|[-_/. \]),])")
_LONG = re.compile(r"(?:seed|Seed|SEED)[-_= ]?(\d{1,19})(?!\d)")


_NETWORK = re.compile(
    r"(vit|deit|beit|cait|xcit|swin|former|mobileone|starnet|mixer|mlp|dino|mae|clip|coat|pvt|eva|hiera|next|sam)"
    r"[a-z]?(v?\d+)?[-_=]?$",
    re.IGNORECASE,
)
"""How names of networks end that are sold in sizes like `vit_s16`, `poolformer_s24`, `swin_s3`."""


def seed_in(name: str) -> tuple[int, str] | None:
    """The seed that a name holds (`r8-kd-s3`, `seed_3`, `kd/seed=3`) and the name without it.

    None if there is none, or if several places could be it. The 16 of `vit_s16` may be the network's size.
    """
    if len(name) > LONGEST:
        return None
    found = list(_LONG.finditer(name)) or [
        one for one in _SEED.finditer(name) if not _may_be_size(name, one.start())
    ]
    if len(found) != 1:
        return None
    return int(found[0][1]), without(name, found[0].start(), found[0].end())


def size_in(name: str) -> str | None:
    """The part of a name that may be a seed or a network's size: `s16` of `vit_s16`."""
    if len(name) > LONGEST or _LONG.search(name):
        return None
    return next((one[0] for one in _SEED.finditer(name) if _may_be_size(name, one.start())), None)


def _may_be_size(name: str, start: int) -> bool:
    return _NETWORK.search(name[:start]) is not None


def without(name: str, start: int, end: int) -> str:
    """A name without one of its parts, and without the separators that held it."""
    rest = f"{name[:start].rstrip('-_/. =[(,')}\0{name[end:].lstrip('-_/. ])')}"
    left, right = rest.split("\0")
    joint = name[start - 1] if left and right and start else ""
    return f"{left}{joint if joint in '-_/. ' else '-'}{right}" if left and right else left or right
