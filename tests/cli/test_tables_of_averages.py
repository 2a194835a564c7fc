"""Tables for a paper of methods that are averaged over their settings: what rows and captions say."""

from __future__ import annotations

import pytest

NETS = {"r8": "r32", "w16": "w40"}
OWN = {"CE": ("",), "KD": ("1", "4"), "DKD": ("2", "4"), "RKD": ("",)}


def runs(nets: dict[str, str]) -> str:
    rows = [
        f"{data},{teacher},{student},{method},{T},{seed},{70 + seed / 3 + 2 * k + len(T) + seed * k / 50:.3f}"
        for data in ("c100", "tiny")
        for student, teacher in nets.items()
        for k, (method, own) in enumerate(OWN.items())
        for T in own
        for seed in range(4)
    ]
    return "\n".join(["suite,teacher_net,student_net,approach,tau,trial,acc", *rows]) + "\n"


ASKED = ("--seed", "trial", "--cell", "student_net,teacher_net,approach,tau,suite", "--average", "tau")


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_a_row_of_gains_says_each_part_once_and_the_caption_may_be_pasted(rigorkd, tmp_path, form):
    path = tmp_path / "runs.csv"
    path.write_text(runs(NETS))
    asked = (*ASKED, "--layout", "gains", "--baseline", "CE")
    told = rigorkd("table", path, *asked, "--format", form).stdout
    assert "Note: averaged within each seed: KD over tau 1, 4; DKD over tau 2, 4 (CE, RKD: no tau" in told
    assert "--average" not in told.partition("Note: ")[2].partition("\n")[0]
    assert told.count("the mean of the gains of these settings (c100, tiny), a question of its own") == 1
    assert "r32/KD/c100 mean" not in told.partition("Note")[0]
    if form == "markdown":
        assert "| student | teacher | suite | method |" in told.replace("**", "")
        assert "| r8 | r32 | tiny | KD mean T=1,4 |" in told.replace("**", "")
        assert "| w16 | w40 | – | RKD: average of 2 (suite) | – |" in told.replace("**", "")


def test_averages_over_different_settings_say_whose_each_is(rigorkd, tmp_path):
    path = tmp_path / "runs.csv"
    lines = [line for line in runs(NETS).splitlines() if "tiny,w40" not in line or "KD" not in line]
    lines += [line for line in runs(NETS).splitlines() if "tiny,w40" in line and ",KD," in line]
    path.write_text("\n".join(lines) + "\n")
    more = runs({"r8": "r32"}).replace("tiny", "flowers").splitlines()
    path.write_text(path.read_text() + "\n".join(line for line in more if "flowers" in line) + "\n")
    told = rigorkd("table", path, *ASKED, "--layout", "gains", "--baseline", "CE").stdout
    said = told.partition("of these settings (")[2].partition("), a question")[0]
    assert "r8/RKD: average of 3 (suite): c100, flowers, tiny; " in said
    assert "w16/KD averaged over T = 1 and 4: average of 2 (suite): c100, tiny" in said
