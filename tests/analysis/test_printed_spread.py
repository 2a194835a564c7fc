"""What ± is in a printed table: what its heading, its caption or the reader says, and what nobody says."""

from __future__ import annotations

import pytest
from rigorkd_analysis import Printed, audit
from rigorkd_analysis.published.printed_cells import caption_of, pasted_table
from rigorkd_analysis.published.printed_spread import spread_of
from rigorkd_analysis.published.table_audit import Audit
from scipy import stats

N = 5
Z = 1.959964


def judged(heading: str = "Acc", caption: str = "", spread=None, other: str = "Method") -> Audit:
    rows = [{other: "A", heading: "90.0 ± 0.3"}, {other: "B", heading: "91.5 ± 0.3"}]
    return audit(Printed(rows, seeds=N, caption=caption, spread=spread))


def largest_p(sd: float, ddof: int = 0) -> float:
    """Of 91.5 ± .3 over 90.0 ± .3, each off by .05 at most; of the divisors n is the worse one."""
    largest = sd / 0.3 * 0.35 * (1 if ddof else (N / (N - 1)) ** 0.5)
    return 2 * stats.t.sf(1.4 * N**0.5 / (2 * largest), N - 1)


SD, SE, CI = 0.3, 0.3 * N**0.5, 0.3 * N**0.5 / Z


@pytest.mark.parametrize(
    ("heading", "sd"),
    [("Acc (mean ± s.e.)", SE), ("Acc ± SE", SE), ("Acc (SEM)", SE), ("Acc (mean ± stderr)", SE),
     ("Acc, standard error", SE), ("Acc (± std. err.)", SE), ("Acc ± 95% CI", CI),
     ("Acc [95 % interval]", CI),
     ("Acc (mean, confidence interval)", CI), ("Acc ± CI", CI), ("Acc ± 90 % CI", 0.3 * N**0.5 / 1.644854),
     ("Acc (mean ± std)", SD), ("Acc_mean_std", SD), ("Acc (SD)", SD), ("Acc ± s.d.", SD), ("Acc ± 1σ", SD),
     ("Acc, standard deviation", SD)],
)  # fmt: skip
def test_the_heading_says_what_it_is(heading: str, sd: float):
    found = judged(heading)
    assert [cell.std for cell in found.cells] == pytest.approx([sd, sd], rel=1e-5)
    assert found.comparisons[0].p_high == pytest.approx(largest_p(sd), rel=1e-4)
    assert not any("nothing says what" in note for note in found.notes)
    assert "points" in found.comparisons[0].says  # a standard error of an accuracy is no error rate
    assert "is taken" not in found.comparisons[0].says


@pytest.mark.parametrize(
    ("caption", "sd"),
    [("Mean $\\pm$ standard error over 5 runs.", SE), ("Top-1 with 95\\% confidence intervals.", CI),
     ("Results, mean $\\pm$ 99\\,\\% CI", 0.3 * N**0.5 / 2.575829), ("Mean±SE over 5 seeds", SE),
     ("Mean and standard deviation of 5 runs", SD), ("Error bars: one s.e.m.", SE),
     ("Average and std of 5 runs", SD)],
)  # fmt: skip
def test_the_caption_says_what_it_is(caption: str, sd: float):
    found = judged(caption=caption)
    assert [cell.std for cell in found.cells] == pytest.approx([sd, sd], rel=1e-5)
    assert not any("nothing says what" in note for note in found.notes)


def test_the_heading_of_another_column_and_the_readers_word():
    assert judged(other="Method (mean ± SE)").cells[0].std == pytest.approx(SE)
    assert judged("Acc (mean ± s.e.)", caption="Mean ± std").cells[0].std == pytest.approx(SE)
    assert judged(spread="ci").cells[0].std == pytest.approx(CI, rel=1e-5)
    assert not any("nothing says" in note for note in judged(spread="sd").notes)


@pytest.mark.parametrize(
    "caption",
    ["", "Table 3. SE-ResNet and SD (self-distillation) on CIFAR-10.",
     "10\\% of CIFAR, class-incremental (CI)",
     "Mean ± standard deviation; standard errors are a third of it."],
)  # fmt: skip
def test_what_nobody_says_travels_with_every_claim(caption: str):
    found = judged(caption=caption)
    assert found.cells[0].std == SD
    assert found.comparisons[0].p_high == pytest.approx(largest_p(SD), rel=1e-9)
    taken = "± is taken as a standard deviation over seeds: a standard error would change it."
    assert found.survives[0].startswith("That B is above A survives")
    assert found.survives[0].endswith(taken)
    assert found.comparisons[0].says.endswith(taken)  # which --format csv has
    assert any("nothing says what ± is" in note and "--spread se" in note for note in found.notes)


def test_columns_say_it_by_their_names():
    rows = [{"cell": "A", "top1": "90.0", "std": "0.3"}, {"cell": "B", "top1": "91.5", "std": "0.3"}]
    found = audit(Printed(rows, seeds=N))
    assert found.survives[0].endswith("the only pair).")
    assert [note for note in found.notes if "what std is" in note] == []
    bare = audit(
        Printed([{"±" if key == "std" else key: v for key, v in row.items()} for row in rows], seeds=N)
    )
    assert bare.survives[0].endswith("would change it.")
    assert spread_of(["acc_mean", "acc_sem"], "acc_mean").kind == "se"


def test_a_wide_table_keeps_what_it_is():
    rows = [{"student": "r8", "base_top1": "90.0 ± 0.3", "kd_top1": "91.5 ± 0.3"}]
    found = audit(Printed(rows, seeds=N, caption="mean ± standard error"))
    assert [cell.std for cell in found.cells] == pytest.approx([SE, SE])


def captions(text: str, begins: int | None = None) -> str:
    found = pasted_table(text, begins)
    assert found is not None
    return caption_of(text, found[1])


TABULAR = (
    "\\begin{tabular}{lc}\nM & Acc \\\\ \\midrule\nA & $1.0 \\pm 0.1$ \\\\\nB & 2.0 \\\\\n\\end{tabular}\n"
)
IN_LATEX = "\\begin{table}[t]\n" + TABULAR + "\\caption{%s}\n\\end{table}\n"


def test_the_caption_is_that_of_the_table():
    both = IN_LATEX % "First, $\\pm$ standard {error}" + "Text with std.\n" + IN_LATEX % "Second"
    assert captions(both, 2) == "First, $\\pm$ standard {error}"
    assert captions(both, 11) == "Second"
    table = "| M | Acc |\n|---|---|\n| A | 1.0 ± 0.1 |\n| B | 2.0 ± 0.1 |\n"
    far = "We use a standard deviation of weights.\n\n# Results\n"
    assert captions(f"{far}\n{table}\nMean ± standard error.\n\n## Standard deviations\nmean\n") == (
        "Mean ± standard error."
    )
    assert captions(f"Mean of 5 runs,\nwith std:\n\n{table}") == "Mean of 5 runs,\nwith std:"
    assert captions(f"The standard error of our ways.\n\n{table}") == ""
    assert captions(f"Mean and SE\n\n{TABULAR}") == "Mean and SE"


def test_a_spread_over_episodes_is_none_over_seeds():
    rows = [
        {"algo": a, "mean_reward": m, "std_reward": "9.0", "eval_episodes": "150"}
        for a, m in (("a2c", "100.0"), ("ppo", "200.0"))
    ]
    with pytest.raises(Exception, match="means with spreads") as caught:
        audit(Printed(rows, metric="mean_reward"))
    assert "a spread over eval_episodes is none over seeds" in caught.value.hint
    found = audit(Printed(rows, metric="mean_reward", seeds=3))
    over = "std_reward is taken to be over seeds, not over the eval_episodes of one run"
    assert over in found.survives[0]
    assert over in found.comparisons[0].says
    assert any(over in note for note in found.notes)
