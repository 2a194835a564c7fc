"""A benchmark's table as somebody keeps it: four settings, three methods, five seeds; a run diverged at one,
another is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from rigorkd.cli.main import cli

HEAD = "data,teacher_net,student_net,approach,tau,rng_seed,top1_acc,state"
LEVELS = {
    ("C100", "wrn_40_2", "wrn_16_2"): 73.3,
    ("C100", "resnet32x4", "shufflenetV2"): 72.0,
    ("tinyimagenet", "wrn_40_2", "wrn_16_2"): 58.2,
    ("tinyimagenet", "resnet32x4", "shufflenetV2"): 61.1,
}
GAINS = (
    *(("scratch", "", 0.0), ("KD", "1", 0.5), ("KD", "4", 1.5), ("KD", "8", 1.3)),
    *(("FitNet", "", 0.12), ("AttnAlign", "4", 1.75)),
)
ASKED = ("--metric", "top1_acc", "--baseline", "scratch", "--sesoi", "0.3")


def runs(folder: Path, *, whole: bool = False, settings: int = 4) -> Path:
    """The CSV; `whole` without the run that diverged and the one that is missing, of so many `settings`."""
    draw = np.random.default_rng(7)
    lines = [HEAD]
    for (data, teacher, student), level in list(LEVELS.items())[:settings]:
        common = draw.normal(0, 0.3, 5)
        for method, tau, gain in GAINS:
            for at in range(5):
                value = level + gain + common[at] + draw.normal(0, 0.13)
                draw.normal(0, 0.1)  # as if for a second metric
                seed, where = 42 + at, (data, student, method)
                fell = not whole and (*where, seed) == ("tinyimagenet", "shufflenetV2", "AttnAlign", 44)
                if not whole and (*where, seed) == ("tinyimagenet", "wrn_16_2", "FitNet", 46):
                    continue
                shown = "1.00,diverged" if fell else f"{value:.2f},finished"
                lines.append(f"{data},{teacher},{student},{method},{tau},{seed},{shown}")
    file = folder / "runs.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def said(*words: object) -> str:
    """What a command prints on stdout, on one line."""
    return " ".join(done(*words).stdout.split())


def document(*words: object) -> dict:
    return json.loads(done(*words, "--format", "json").stdout)


def done(*words: object) -> Result:
    result = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result
