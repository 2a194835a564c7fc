"""The site: it builds without a warning, its generated pages say what the code says, its links lead on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Rigorkd
from tests.helpers import script

ROOT = Path(__file__).parents[2]


def test_the_reference_has_every_command_and_option() -> None:
    import click

    from rigorkd.cli.main import COMMANDS, cli

    text = script("reference").commands()
    for name in COMMANDS:
        section = text.partition(f"## rigorkd {name}\n")[2].partition("\n## ")[0]
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert option in section, f"{name} {option}"


def test_the_reference_has_every_key_of_a_protocol() -> None:
    from rigorkd.data.dataset import Split
    from rigorkd.methods.registry import KINDS
    from rigorkd.protocol.schema import Analysis, Spec, Training

    reference = script("reference")
    text = reference.protocol()
    for model in (Spec, Split, Training, Analysis):
        for key in model.model_fields:
            assert f"| `{key}` |" in text
    for key, method in KINDS.items():
        section = text.partition(f"### `{key}`\n")[2].partition("\n### ")[0]
        for field in method.model_fields:
            assert f"| `{field}` |" in section, f"{key}: {field}"
    anchors = {line.lstrip("# ").strip("`").lower() for line in text.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(#([a-z0-9_]+)\)", text):
        assert target in anchors
    assert set(reference.protocol_schema()["properties"]) == set(Spec.model_fields)


@pytest.mark.slow
def test_the_reference_has_every_network() -> None:
    from rigorkd.models.model import CIFAR_NETWORKS, CIFAR_RESNETS, STEM_RESNETS

    rows = re.findall(
        r"^\| `(\w+)` \| ([\d,]+) \|.*`layer1`|^\| `(\w+)`", script("reference").networks(), re.M
    )
    named = {name or other: counted for name, counted, other in rows}
    assert set(named) == {*CIFAR_NETWORKS, *CIFAR_RESNETS, *STEM_RESNETS}
    assert named["resnet56"] == "861,620"
    assert named["cifar_resnet56"] == "858,868"


def test_the_reference_has_every_field_of_a_document(rigorkd: Rigorkd) -> None:
    """A document that a command prints holds no key that the reference does not name."""
    command = ["analyze", "analysis/published/kd_capacity_gap_runs.csv", "--metric", "test_top1"]
    done = rigorkd(*command, "--sesoi", "0.2", "--format", "json", cwd=ROOT)
    text = script("reference").documents()

    def check(value: object, free: bool = False) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                assert free or f"| `{key}` |" in text, key
                check(item, free=key == "weights")
        elif isinstance(value, list):
            for item in value:
                check(item)

    check(json.loads(done.stdout))


def test_the_script_runs_and_shows_what_it_prints() -> None:
    site = script("site_pages")
    page = site.notebook(site.notebooks()["examples/outside_csv.md"])
    assert page.startswith("# An outside CSV")
    printed = re.findall(r"^```text\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert len(printed) == 5
    assert "inconclusive" in printed[1]
    assert "Holm-adjusted p" in printed[2]


def test_the_notebook_runs() -> None:
    """In Jupyter's own way: every cell, in order, in a kernel; on disk it has no outputs."""
    import nbformat
    from nbclient import NotebookClient

    document = nbformat.read(ROOT / "docs" / "examples" / "from_python.ipynb", as_version=4)
    nbformat.validate(document)
    code = [cell for cell in document.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    NotebookClient(document, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    shown = [item for cell in code for item in cell.outputs if "data" in item]
    verdicts = [
        item.data["text/html"] for item in shown if 'class="rigorkd"' in item.data.get("text/html", "")
    ]
    assert len(verdicts) == 2
    assert all("inconclusive" in text for text in verdicts)
    assert any(item.data.get("image/svg+xml", "").startswith("<svg") for item in shown)


def test_the_notebook_is_shown_with_its_results() -> None:
    site = script("site_pages")
    page = site.notebook(site.notebooks()["examples/from_python.md"])
    assert page.startswith("# From Python")
    assert page.count('<div class="rigorkd">') == 2
    assert page.count("<svg") == 1
    assert "<rigorkd.Study 'tests/records/study_0_1/results/legacy': 36 student runs>" in page


def test_links_are_those_of_the_site() -> None:
    site = script("site_pages")
    known = {"index.md", "statistics.md", "protocols.md", "reference/commands.md", "tutorial.md"}

    def at(page: str, markdown: str) -> str:
        changed: str = site.relinked(markdown, page, known)
        return changed

    assert at("index.md", "[p](docs/protocols.md#grids-and-axes)") == "[p](protocols.md#grids-and-axes)"
    assert at("index.md", "[s](analysis/README.md)") == "[s](statistics.md)"
    assert at("protocols.md", "[s](../analysis/README.md)") == "[s](statistics.md)"
    assert at("reference/commands.md", "[p](../protocols.md)") == "[p](../protocols.md)"
    assert at("index.md", "[license](LICENSE)") == "license (`LICENSE`)"
    assert at("index.md", "[w](https://example.org) [a](#top)") == "[w](https://example.org) [a](#top)"
    known.add("figures/gains.svg")
    assert at("index.md", "![gains](docs/figures/gains.svg)") == "![gains](figures/gains.svg)"
    assert at("tutorial.md", "![gains](figures/gains.svg)") == "![gains](figures/gains.svg)"
    with pytest.raises(AssertionError, match="keep pictures under docs"):
        at("index.md", "![x](LICENSE)")
    with pytest.raises(AssertionError, match="leads nowhere"):
        at("index.md", "[x](docs/nowhere.md)")


def test_pages_that_do_not_exist_yet_are_left_out_of_the_navigation() -> None:
    nav = [{"Home": "index.md"}, {"Part": [{"A": "a.md"}, {"B": "b.md"}]}, {"Empty": [{"C": "c.md"}]}]
    assert script("site_pages")._only(nav, {"index.md", "b.md"}) == [
        {"Home": "index.md"},
        {"Part": [{"B": "b.md"}]},
    ]


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}\n" in text, f"add docs/{page.name} to nav in mkdocs.yml"


PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "studies").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_opens_with_the_command_that_it_is_about(page: Path) -> None:
    head = "\n".join(page.read_text().splitlines()[:24])
    (first,) = re.findall(r"^```\w+\n(.*?)^```", head + "\n```", flags=re.MULTILINE | re.DOTALL)[:1]
    assert re.search(r"^(\$ )?(rigorkd|python|import rigorkd)\b", first, flags=re.MULTILINE), first


def test_the_gallery_has_every_figure() -> None:
    from rigorkd.report.figures.catalog import CATALOG

    text = (ROOT / "docs" / "gallery.md").read_text()
    assert not [entry.name for entry in CATALOG if f"`{entry.name}`" not in text]
    shown = set(re.findall(r"images/gallery/([\w-]+)\.svg", text))
    assert {path.stem for path in (ROOT / "docs" / "images" / "gallery").glob("*.svg")} == shown


def test_the_tutorials_protocol_is_valid(tmp_path: Path) -> None:
    from rigorkd.protocol.load import load_protocol

    page = (ROOT / "docs" / "tutorial.md").read_text()
    ((name, text),) = re.findall(r'^```yaml title="([^"]+)"\n(.*?)^```', page, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / name).write_text(text)
    protocol = load_protocol(tmp_path / name)
    assert [cell.name for cell in protocol.cells if cell.role == "student"] == [
        "main/small/baseline",
        "main/small/kd-T1-a0.5",
        "main/small/kd-T4-a0.5",
    ]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    for page in ("index", "tutorial", "statistics", "reference/commands", "api", "examples/from_python"):
        assert (tmp_path / "site" / f"{page}.html").is_file()
    schema = json.loads((tmp_path / "site" / "reference" / "protocol.schema.json").read_text())
    assert schema["properties"]["students"]


def test_the_tutorial_explains_warnings_in_their_own_words() -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text()
    rows = re.findall(r"^\| ([\w ,]+)[:|…]", page.partition("| warning |")[2], flags=re.MULTILINE)
    folders = (ROOT / "analysis" / "rigorkd_analysis", ROOT / "rigorkd" / "records")
    code = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    assert len(rows) == 8
    assert [row for row in rows if row.strip() not in code] == []
