"""A stand-in for mdistiller's tools/train.py: the same arguments and the same log, without a network."""

import argparse
import random
from pathlib import Path

parser = argparse.ArgumentParser("training for knowledge distillation.")
parser.add_argument("--cfg", default="")
parser.add_argument("--resume", action="store_true")
parser.add_argument("opts", nargs=argparse.REMAINDER)
asked = parser.parse_args()
assert Path(asked.cfg).is_file()
options = dict(zip(asked.opts[::2], asked.opts[1::2], strict=True))

# Its folder is named after its options, one of which holds slashes: hence the ** in the protocol's `result`.
name = options["EXPERIMENT.TAG"] + ",".join(f"{key}:{value}" for key, value in options.items())
folder = Path(options["LOG.PREFIX"]) / "cifar100_baselines" / name
folder.mkdir(parents=True, exist_ok=True)
gain = 2.0 if options.get("DISTILLER.TYPE") == "KD" else 0.0
best = -1.0
with (folder / "worklog.txt").open("a") as log:
    for epoch in range(1, int(options["SOLVER.EPOCHS"]) + 1):
        top1 = 60 + 4 * epoch + gain + random.gauss(0, 0.4)
        best = max(best, top1)
        log.write("-" * 25 + f"\nepoch: {epoch}\nlr: 0.05\ntrain_acc: {top1 + 5:.2f}\ntrain_loss: 1.10\n")
        log.write(f"test_acc: {top1:.2f}\ntest_acc_top5: {top1 + 20:.2f}\ntest_loss: {2 - top1 / 100:.2f}\n")
        log.write("-" * 25 + "\n")
    log.write(f"best_acc\t{best:.2f}")
