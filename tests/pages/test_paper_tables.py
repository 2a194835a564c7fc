"""Tables in the shape of a paper's: its rows and columns, the analysis' numbers, Markdown and LaTeX."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rigorkd_analysis import Pair, Plan, analyze

from rigorkd.errors import InputError
from rigorkd.report.evidence import CellFacts, Evidence, Latency, evidence
from rigorkd.report.paper_tables import LAYOUTS, paper_table
from rigorkd.report.render.latex import latex
from rigorkd.report.render.markdown import markdown

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]


def runs() -> pd.DataFrame:
    """The cells of the CIFAR-100 study (Fauzan et al. 2026), five seeds, numbers drawn at random."""
    draw = random.Random(11)
    cells = [("main", s, T, a) for s in ("mobilenetv2", "shufflenetv2") for T, a in ((None, None), (4, 0.5))]
    cross = ((None, None), (2, 0.5), (4, 0.5), (6, 0.5), (4, 0.3), (4, 0.7))
    cells += [("ablation", "mobilenetv2", T, a) for T, a in cross]
    rows = []
    for group, student, T, alpha in cells:
        name = "baseline" if T is None else f"kd-T{T}-a{alpha}"
        for seed in range(5):
            rows.append(
                {
                    "cell": f"{group}/{student}/{name}",
                    "group": group,
                    "student": student,
                    "method": "baseline" if T is None else "kd",
                    "T": T,
                    "alpha": alpha,
                    "epochs": 40 if group == "main" else 30,
                    "seed": seed,
                    "test_top1": 79 + draw.gauss(0, 0.2) + (1.5 if T else 0),
                    "test_top5": 95 + draw.gauss(0, 0.2),
                    "best_val_top1": 81 + draw.gauss(0, 0.2),
                    "test_loss": 1 + draw.gauss(0, 0.02),
                    "latency_ms": 4 + draw.gauss(0, 0.1),
                    "train_seconds": 5000 + draw.gauss(0, 50),
                    "params_millions": 2.35 if student == "mobilenetv2" else 1.36,
                }
            )
    return pd.DataFrame(rows)


TEACHER = CellFacts(
    cell="teacher", group="", student="resnet50", method="teacher", teacher="", T=None, alpha=None, epochs=40,
    seeds=(0, 1), measures={"test_top1": (81.0, 81.5), "params_millions": (23.71, 23.71)},
)  # fmt: skip


@pytest.fixture(scope="module")
def study() -> Evidence:
    frame = runs()
    return evidence(
        analyze(frame, Plan(sesoi=0.3, secondary=("test_top5",), planned=True)), frame, teachers=(TEACHER,)
    )


def rows_of(study: Evidence, layout: str, group: str | None = None) -> list[dict[str, str]]:
    (table,) = paper_table(study, layout, group).tables  # type: ignore[arg-type]
    headings = [column.heading for column in table.columns]
    assert len(headings) == len(set(headings)), "every column has a name of its own"
    return [dict(zip(headings, row, strict=True)) for row in table.texts()]


def mean_std(cell: str, metric: str, decimals: int) -> str:
    values = runs().query("cell == @cell")[metric]
    return f"{values.mean():.{decimals}f} ± {values.std(ddof=1):.{decimals}f}"


ALONE = Latency(median=4.0123, q25=3.98, q75=4.1, n=30, shared=False)


def measured(*latencies: Latency, shared: object = None) -> Evidence:
    """The study as of one's own: every run has the latency of its architecture, measured so many times."""
    frame = runs()
    frame["latency_ms"] = latencies[0].median
    frame["latency_shared"] = shared
    found = analyze(frame, Plan(sesoi=0.3, planned=True))
    return evidence(found, frame, latencies={str(cell): latencies for cell in frame["cell"]})


def caption(study: Evidence) -> str:
    (table,) = paper_table(study, "overall").tables
    return table.caption


def test_one_measurement_has_its_own_spread_and_none_over_seeds() -> None:
    study = measured(ALONE)
    assert {row["latency (ms)"] for row in rows_of(study, "overall")} == {"4.012 (3.980 to 4.100)"}
    assert "median (quartiles) of 30 forward passes of one image, measured once" in caption(study)
    assert "noted" not in caption(study)
    assert "latency difference (ms)" not in rows_of(study, "gains")[0]
    old = replace(ALONE, shared=None, median=3.0)
    assert {row["latency (ms)"] for row in rows_of(measured(ALONE, old), "overall")} == {
        "4.012 (3.980 to 4.100)"
    }, "one that is known to be alone is preferred"
    assert "noted" not in caption(measured(ALONE, old))
    assert "Whether other work was on the device meanwhile was not noted." in caption(measured(old))


@pytest.mark.parametrize("mark", [True, "True", "true"])
def test_a_latency_measured_beside_other_work_enters_no_table(mark: object) -> None:
    study = measured(replace(ALONE, shared=True), shared=mark)
    assert "latency (ms)" not in rows_of(study, "overall")[0]
    assert "Latency" not in caption(study)
    assert all(cell.mean("latency_ms") is None for cell in study.cells)
    elsewhere = replace(ALONE, median=5.0, shared=True)
    both = measured(ALONE, elsewhere)
    assert {row["latency (ms)"] for row in rows_of(both, "overall")} == {"4.012 (3.980 to 4.100)"}
    assert "Latencies measured beside other work are left out." in caption(both)


def test_overall_has_one_row_per_model(study: Evidence) -> None:
    found = rows_of(study, "overall")
    assert [(row["model"], row["cell"]) for row in found] == [
        ("resnet50", "teacher"),
        ("mobilenetv2", "baseline"),
        ("mobilenetv2", "kd-T4-a0.5"),
        ("shufflenetv2", "baseline"),
        ("shufflenetv2", "kd-T4-a0.5"),
    ]
    kd = found[2]
    assert kd["top-1 (%)"] == mean_std("main/mobilenetv2/kd-T4-a0.5", "test_top1", 2)
    assert kd["test loss"] == mean_std("main/mobilenetv2/kd-T4-a0.5", "test_loss", 4)
    assert kd["params (M)"] == "2.35"
    assert kd["verdict"] == "better ≥ SESOI"
    assert found[1]["verdict"] == ""
    assert found[0]["top-5 (%)"] == "–"


def test_gains_are_those_of_the_analysis(study: Evidence) -> None:
    found = rows_of(study, "gains")
    assert [row["student"] for row in found] == ["main/mobilenetv2", "main/shufflenetv2"]
    gain = next(c for c in study.gains() if c.a == "main/mobilenetv2/kd-T4-a0.5")
    assert gain.mean_diff is not None
    assert gain.p_adjusted is not None
    assert found[0]["gain"] == f"+{gain.mean_diff:.2f}"
    assert found[0]["95 % CI, unadjusted"] == f"+{gain.ci_low:.2f} to +{gain.ci_high:.2f}"
    assert found[0]["Holm p"] == f"{gain.p_adjusted:.4f}"
    second = study.analysis.secondary[0].family.comparisons
    top5 = next(c for c in second if c.a == "main/mobilenetv2/kd-T4-a0.5")
    assert float(found[0]["top-5 gain"].replace("−", "-")) == pytest.approx(top5.mean_diff, abs=0.005)
    assert found[0]["latency difference (ms)"][0] in "+−"


@pytest.mark.parametrize("form", [markdown, latex])
def test_the_average_gain_has_a_row_with_its_verdict_and_what_it_is_over(study: Evidence, form) -> None:
    overall = study.analysis.family("overall")
    assert overall is not None
    (average,) = overall.comparisons
    row = rows_of(study, "gains", "ablation")[-1]
    assert row["distilled"] == "kd: average of 5 (T, alpha)"
    assert row["baseline top-1 (%)"] == mean_std("ablation/mobilenetv2/baseline", "test_top1", 2)
    assert row["gain"] == f"{average.mean_diff:+.2f}"
    assert row["verdict"].startswith(average.verdict.label)
    (table,) = paper_table(study, "gains", "ablation").tables
    assert (
        "Average gain: the mean of the gains of these settings (kd: average of 5 (T, alpha): kd-T2-a0.5, "
        in table.caption
    )
    assert "a question of its own, one comparison (planned)" in table.caption
    assert "average of 5" in form(paper_table(study, "gains", "ablation"))
    assert "Average gain" not in paper_table(study, "gains").tables[0].caption, (
        "its settings have no row there"
    )


def test_seconds_of_training_say_that_nobody_knows_what_ran_beside_them(study: Evidence) -> None:
    from rigorkd.report.report_tables import costs_table

    costs = costs_table(study)
    assert costs is not None
    for text in (caption(study), costs.caption):
        assert "how many runs were trained side by side on the machine is not known" in text
    frame = runs().drop(columns="train_seconds")
    without = evidence(analyze(frame, Plan(planned=True)), frame)
    assert "side by side" not in caption(without)


def test_the_ablation_prints_its_arms(study: Evidence) -> None:
    found = rows_of(study, "ablation")
    assert [(row["factor"], row["T"], row["α"]) for row in found] == [
        ("temperature", "2", "0.5"),
        ("temperature", "4", "0.5"),
        ("temperature", "6", "0.5"),
        ("alpha", "4", "0.3"),
        ("alpha", "4", "0.5"),
        ("alpha", "4", "0.7"),
    ]
    again = {name: text for name, text in found[4].items() if name != "factor"}
    assert again == {name: text for name, text in found[1].items() if name != "factor"}
    assert found[0]["top-1 (%)"] == mean_std("ablation/mobilenetv2/kd-T2-a0.5", "test_top1", 2)


def test_a_group_can_be_named(study: Evidence) -> None:
    assert len(rows_of(study, "gains", "ablation")) == 6, "five gains and their average"
    with pytest.raises(InputError, match="no group 'nowhere'"):
        paper_table(study, "gains", "nowhere")
    with pytest.raises(InputError, match="differ in T or alpha"):
        paper_table(study, "ablation", "main")


def test_without_baselines_there_are_no_gains() -> None:
    frame = runs().drop(columns="method")
    with pytest.raises(InputError, match="needs gains, that is cells with baselines"):
        paper_table(evidence(analyze(frame), frame), "overall")


def test_where_contrasts_were_planned_it_says_what_prints_them() -> None:
    frame = runs().drop(columns="method")
    a, b, *_ = dict.fromkeys(frame["cell"])
    planned = Plan(contrasts=(Pair(a, b, planned=True),), planned=True)
    with pytest.raises(InputError) as refused:
        paper_table(evidence(analyze(frame, planned), frame), "overall")
    assert "planned `rigorkd analyze --format latex` (or markdown) prints" in refused.value.hint
    assert "--baseline CELL makes gains of all cells, which are exploratory" in refused.value.hint


def test_a_method_that_distils_nothing_makes_no_column_of_distilled_cells() -> None:
    """Label smoothing beside distillation: `distilled` would be wrong of one of them."""
    frame = runs()
    smoothed = frame[frame["method"] == "kd"].assign(method="ls", T=None, alpha=None, teacher="")
    smoothed["cell"] = smoothed["cell"].str.replace("kd-", "ls-")
    mixed = pd.concat([frame, smoothed.drop_duplicates(["cell", "seed"])], ignore_index=True)
    for table, word in ((frame, "distilled"), (mixed, "method")):
        found = evidence(analyze(table), table)
        assert found.treated == word
        (made,) = paper_table(found, "gains").tables
        assert [column.heading for column in made.columns][1] == word
        assert f"gain: {word} minus baseline" in made.caption


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_formats_are_well_formed(study: Evidence, layout: str) -> None:
    page = paper_table(study, layout)  # type: ignore[arg-type]
    (table,) = page.tables
    width, height = len(table.columns), len(table.rows)
    lines = [line for line in markdown(page).splitlines() if line.startswith("|")]
    assert len(lines) == height + 2
    assert {line.count(" | ") for line in lines} == {width - 1}
    text = latex(page)
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    assert {line.count("&") for line in body.splitlines() if line.endswith(r"\\")} == {width - 1}
    assert re.search(rf"begin{{tabular}}{{[lr]{{{width}}}}}", text)
    assert text.isascii() or not re.search(r"[^\x00-\x7f]", body), "every sign has a command"
    assert "Holm over 7 gains (planned)" in text


def test_smoke_tables_say_so() -> None:
    frame = runs().assign(smoke=True)
    for layout in LAYOUTS:
        assert "SMOKE RUNS, no result" in markdown(paper_table(evidence(analyze(frame), frame), layout))


def test_the_command_prints_a_layout_of_any_table_of_runs(tmp_path: Path, rigorkd: Rigorkd) -> None:
    runs().to_csv(tmp_path / "runs.csv", index=False)
    done = rigorkd("table", "runs.csv", "--layout", "gains", "--format", "latex", "--sesoi", "0.3")
    assert done.returncode == 0, done.stderr
    assert r"\begin{table}" in done.stdout
    assert "top-5 gain" in done.stdout, "top-5 is judged as a secondary metric"
    assert "### Ablation" in rigorkd("table", "runs.csv", "--layout", "ablation").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "latex"], "--format latex needs a --layout"),
        (["--sesoi", "0.3"], "--sesoi needs a --layout"),
        (["--layout", "gains", "--format", "csv"], "a layout has no format csv"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], message: str, rigorkd: Rigorkd) -> None:
    done = rigorkd("table", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
