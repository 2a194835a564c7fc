"""Tables whose columns have names of their own: what they hold is named, and nothing confounds itself."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rigorkd.cli.main import cli
from rigorkd.errors import InputError

PAIRS = (("resnet32x4", "resnet8x4"), ("wrn40_2", "wrn16_2"))
METHODS = {"scratch": ("", 0.0), "KD": ("4", 1.0), "CRD": ("1", 1.4), "DKD": ("4", 1.5)}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, head: str, rows: Sequence[Sequence[object]]) -> None:
    """Rows with a seed and a result for each of five seeds; the last field of a row is its level."""
    lines = [
        ",".join(
            map(
                str,
                (
                    *row[:-1],
                    seed,
                    f"{70 + float(str(row[-1])) + (seed * seed * (at + 2) + seed * 3) % 7 / 10:.2f}",
                ),
            )
        )
        for at, row in enumerate(rows)
        for seed in range(5)
    ]
    Path(name).write_text("\n".join([head, *lines]))


def asked(*words: str) -> Result:
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def refused(*words: str) -> str:
    done = CliRunner().invoke(cli, words)
    with pytest.raises(InputError) as caught:
        raise done.exception or AssertionError(done.output)
    return f"{caught.value.message} {caught.value.hint}"


def in_pairs(head: str = "ds,tch,small_net,approach,tau,rep,acc") -> None:
    rows = [
        (data, *pair, method, tau, gain)
        for data in ("cifar100", "tiny")
        for pair in PAIRS
        for method, (tau, gain) in METHODS.items()
    ]
    write("runs.csv", head, rows)


# ------------------------------------------------------------------------------- what is offered and named


@pytest.mark.parametrize("given", [(), ("--seed", "rep")])
def test_the_first_offer_names_students_and_their_teachers_and_tables_have_both(given):
    in_pairs()
    told = refused("analyze", "runs.csv", *given)
    found = re.search(r"--cell (\S+)", told)
    assert found is not None
    assert set(found[1].split(",")) == {"ds", "tch", "small_net", "approach", "tau"}
    options = ("--seed", "rep", "--cell", found[1], "--baseline", "scratch")
    shown = asked("table", "runs.csv", *options, "--layout", "gains").stdout
    head, _, *rows = [line.strip("| ").split(" | ") for line in shown.splitlines() if line.startswith("|")]
    plain = [[re.sub(r"[*\\]", "", entry).strip() for entry in row] for row in rows]
    assert [name.replace("\\", "") for name in head[:4]] == ["ds", "tch", "small_net", "method"]
    assert ["cifar100", "resnet32x4", "resnet8x4", "CRD-T1"] in [row[:4] for row in plain]
    assert all(any(row[at] for row in plain) for at in range(len(head)))
    for form in ("table", "json", "latex"):
        assert "wrn16" in asked("analyze", "runs.csv", *options, "--format", form).stdout


def test_a_teacher_of_several_students_is_named_too():
    rows = [
        ("r56", student, method, gain)
        for student in ("r20", "r8")
        for method, (_, gain) in METHODS.items()
    ]  # fmt: skip
    rows += [("vgg13", "vgg8", method, gain) for method, (_, gain) in METHODS.items()]
    write("runs.csv", "big_net,small_net,way,seed,acc", rows)
    assert "--cell big_net,small_net,way" in refused("analyze", "runs.csv", "--metric", "acc")


@pytest.mark.parametrize("head", ["approach,label", "way,label"])
def test_other_names_of_methods_and_data_sets_are_not_offered(head):
    names = {"scratch": "Student", "KD": "Hinton et al.", "CRD": "Contrastive RD", "DKD": "Decoupled"}
    rows = [
        (data, called, method, names[method], gain)
        for data, called in (("c100", "CIFAR-100"), ("tin", "Tiny-ImageNet"))
        for method, (_, gain) in METHODS.items()
    ]
    write("runs.csv", f"ds,title,{head},rep,acc", rows)
    told = refused("analyze", "runs.csv")
    assert re.search(r"--cell (?:approach,ds|ds,way)(?= |$)", told)


@pytest.mark.parametrize("layout", ["gains", "overall"])
@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_no_column_of_a_paper_is_empty_throughout(layout, form):
    in_pairs()
    options = ("--seed", "rep", "--cell", "approach,ds,tch", "--baseline", "scratch")
    shown = asked("table", "runs.csv", *options, "--layout", layout, "--format", form).stdout
    assert not re.search(r"\bstudent\b", shown)
    assert "params" not in shown
    sign = "|" if form == "markdown" else "&"
    lines = [line for line in shown.splitlines() if line.count(sign) > 3]
    rows = [re.split(r"(?<!\\)[|&]", line.strip(" \\")) for line in lines]
    assert len({len(row) for row in rows}) == 1
    bars = form == "markdown"  # which stand before and behind, too
    for at in range(bars, len(rows[0]) - bars):
        assert any(row[at].strip() not in ("", "–", "--") for row in rows[2:]), rows[0][at]


def test_a_table_with_students_and_sizes_keeps_their_columns():
    rows = [(net, 1.5, method, gain) for net in ("r8", "r20") for method, (_, gain) in METHODS.items()]
    write("runs.csv", "student,params_millions,method,seed,acc", rows)
    for layout, names in (("gains", ["student"]), ("overall", ["model", "params (M)"])):
        asked_so = ("--layout", layout, "--baseline", "scratch", "--metric", "acc")
        shown = asked("table", "runs.csv", *asked_so).stdout
        assert all(f" {name} |" in shown for name in names)


# ------------------------------------------------------------------------------------ what confounds nothing


def warned(*words: str) -> list[str]:
    shown = json.loads(asked("analyze", *words, "--format", "json").stdout)
    inside = (text for f in shown["families"] for c in f["comparisons"] for text in c["warnings"])
    return [*shown["warnings"], *inside]


LABELS = {"baseline": "Vanilla", "kd": "KD (Hinton)", "fitnet": "FitNet"}


def labelled(column: str = "method", *, by_setting: bool = False) -> None:
    rows = [
        (net, method, f"{label} (T={T})" if by_setting and T else label, T, len(method) % 5)
        for net in ("r8", "r20")
        for method, label in LABELS.items()
        for T in ((1, 4) if by_setting and method != "baseline" else ("",))
    ]
    write("runs.csv", f"student,{column},label,T,seed,acc", rows)


@pytest.mark.parametrize("column", ["method", "way"])
@pytest.mark.parametrize("by_setting", [False, True])
@pytest.mark.parametrize("named", ["baseline", "r8/baseline", "r8/Vanilla"])
def test_another_name_of_the_method_confounds_nothing(column, by_setting, named):
    labelled(column, by_setting=by_setting)
    cell = f"student,{'label' if 'Vanilla' in named else column},T"
    texts = warned("runs.csv", "--cell", cell, "--baseline", named)
    assert not any("confounded" in text for text in texts)


@pytest.mark.parametrize(
    ("cell", "baseline", "confounds"),
    [("way", "plain", 0), ("student,way", "r8/plain", 0), ("student,way,size", "r8/plain/slim", 1)],
)
def test_what_is_compared_is_not_confounded_with_itself_and_another_setting_is(cell, baseline, confounds):
    ways = ("plain", "slim", 0), ("ours", "slim", 1), ("theirs", "wide", 2)
    write("runs.csv", "student,way,size,seed,acc", [("r8", *way) for way in ways])
    shown = json.loads(
        asked("analyze", "runs.csv", "--cell", cell, "--baseline", baseline, "--format", "json").stdout
    )
    (gains,) = (family for family in shown["families"] if family["name"] == "gains")
    texts = [text for c in gains["comparisons"] for text in c["warnings"] if "confounded" in text]
    assert [text.partition(" in its baseline")[0] for text in texts] == ["size is wide, and slim"] * confounds


def test_of_settings_alone_the_one_that_differs_is_compared_and_of_two_both_are_told():
    write(
        "runs.csv",
        "model,lr,batch_size,seed,acc",
        [("r8", lr, size, lr) for lr in (0.1, 0.2) for size in (32, 64)],
    )
    shown = json.loads(asked("analyze", "runs.csv", "--baseline", "lr0.1-bs32", "--format", "json").stdout)
    (gains,) = (family for family in shown["families"] if family["name"] == "gains")
    told = {c["a"]: sum("confounded" in text for text in c["warnings"]) for c in gains["comparisons"]}
    assert told == {"lr0.2-bs32": 0, "lr0.1-bs64": 0, "lr0.2-bs64": 2}


# --------------------------------------------------------------------- averages over what may be methods


@pytest.mark.parametrize(
    ("cell", "baseline", "what"),
    [
        ("way", "plain", "a mean over 3 values of way"),
        ("net_x,way", "a/plain", "a mean over 7 values of net_x and way"),
        ("cell", "plain", "a mean over 3 cells of which no column says what they are"),
    ],
)
def test_an_average_over_what_may_be_methods_is_no_finding_about_any(cell, baseline, what):
    two = "net_x" in cell
    ways = ("plain", 0), ("ours", 1), ("theirs", 2), ("third", 1.5)
    rows = [(*([net] * two), way, gain) for net in ("a", "b")[: 1 + two] for way, gain in ways]
    head = ("net_x,way" if two else cell) + ",seed,acc"
    write("runs.csv", head, rows)
    given = ("--baseline", baseline) if cell == "cell" else ("--cell", cell, "--baseline", baseline)
    told = f"{what}: where these are methods, no finding about any"
    shown = json.loads(asked("analyze", "runs.csv", *given, "--format", "json").stdout)
    overall = [family for family in shown["families"] if family["name"] == "overall"]
    # one column, or none, that tells cells apart may be that of methods: of these no average is judged
    assert len(overall) == two
    assert all(told in c["says"] and told in c["warnings"] for one in overall for c in one["comparisons"])
    (gains,) = (family for family in shown["families"] if family["name"] == "gains")
    assert gains["consistency"]["mixed"]
    assert told in gains["consistency"]["says"]
    if not overall:
        return
    for form in ("table", "csv", "markdown", "latex"):
        text = " ".join(asked("analyze", "runs.csv", *given, "--format", form).output.split())
        assert told in text.replace("\\_", "_")
    asked("report", "runs.csv", *given, "--out", "page.html")
    assert told in Path("page.html").read_text()


@pytest.mark.parametrize(
    ("head", "baseline"), [("way,lr", "plain"), ("model,lr", "lr=0.1"), ("dataset,way", "plain")]
)
def test_an_average_over_settings_or_of_a_known_method_says_nothing_of_it(head, baseline):
    values = (("plain", "ours", "theirs"), (0.1, 0.2)) if head == "way,lr" else (("a", "b"), (0.1, 0.2, 0.3))
    values = (("a", "b"), ("plain", "ours", "theirs")) if head == "dataset,way" else values
    write("runs.csv", f"{head},seed,acc", [(x, y, at) for at, x in enumerate(values[0]) for y in values[1]])
    texts = warned("runs.csv", "--cell", head, "--baseline", baseline)
    assert not any("no finding about any" in text for text in texts)


# ------------------------------------------------------------------------------------------ without pairs


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def page_of(*words: str) -> tuple[str, str]:
    """A page's text, and its source."""
    asked("report", *words, "--out", "page.html")
    source = Path("page.html").read_text()
    reader = Text()
    reader.feed(re.sub(r"<(style|script).*?</\1>", "", source, flags=re.DOTALL))
    return " ".join(" ".join(reader.parts).split()), source


def test_a_page_without_pairs_says_nothing_of_them():
    labelled()
    given = ("runs.csv", "--sesoi", "0.5")
    paired, unpaired = (page_of(*given, *more) for more in ((), ("--unpaired",)))
    of_pairs = ("sd of differences", "dz", "sign flips p", "variance ratio", "Seeds are paired, so")
    for text in (*of_pairs, "given the standard deviation of these seeds' differences"):
        assert text in paired[0]
        assert text not in unpaired[0]
    assert "given the standard deviations of the runs of each of its cells" in unpaired[0]
    assert "share of all pairs of their runs in which it was better" in unpaired[1]
    assert "share of seeds at which it was better" in paired[1]
    assert "verlapping intervals of means are no test: the verdicts are above" in unpaired[0]
    shown = asked("analyze", *given, "--unpaired", "--format", "csv").stdout
    for row in csv.DictReader(shown.splitlines()):
        assert f"{float(row['mde']):.2f}" in unpaired[0]


@pytest.mark.parametrize("cell", ["dataset,method,teacher,student,T", "dataset,teacher,student,method,T"])
def test_a_method_with_its_setting_is_named_wherever_its_networks_stand(cell):
    methods = (("scratch", "", 0), ("KD", 1, 1), ("KD", 4, 1.5), ("CRD", "", 1.4))
    rows = [(data, *pair, *method) for data in ("cifar100", "tiny") for pair in PAIRS for method in methods]
    write("runs.csv", "dataset,teacher,student,method,T,seed,acc", rows)
    shown = ("analyze", "runs.csv", "--cell", cell)
    said = refused(*shown, "--compare", "crd", "kd")
    offers = re.findall(r"--compare (CRD KD-T\d)", said)
    assert len(offers) == 2, said
    for offer in (*offers, "kd-T1 KD-t4"):
        told = json.loads(asked(*shown, "--compare", *offer.split(), "--format", "json").stdout)
        (names,) = (
            [c["name"] for c in f["comparisons"]] for f in told["families"] if f["name"] == "contrasts"
        )
        assert len(names) == 4, names
        for name in names:
            for word, cell_name in zip(offer.split(), name.split(" vs "), strict=True):
                parts = {*re.split("[-/]", cell_name.casefold())}
                assert {*word.casefold().split("-")} <= parts
            (mine, its), words = ({*re.split("[-/]", part)} for part in name.split(" vs ")), "KD CRD T1 T4"
            assert mine ^ its <= {*words.split()}, name
    judged = asked(*shown, "--baseline", "KD-T4", "--format", "json").stdout
    (gains,) = (f for f in json.loads(judged)["families"] if f["name"] == "gains")
    assert len(gains["comparisons"]) == 12
