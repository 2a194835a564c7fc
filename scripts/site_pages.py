"""Hooks of mkdocs: pages that are made from other files of the repository while the site is built.

README becomes the first page, analysis/README.md the statistical guide; the reference comes from
scripts/reference.py; the notebooks and notebook-style scripts in docs/examples are run, and shown with what
they print.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import json
import os
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

FROM_REPOSITORY = {
    "index.md": "README.md",
    "statistics.md": "analysis/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
"""Pages of the site that are files elsewhere in the repository."""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_config(config: Any) -> Any:
    """Leave out of the navigation what this version has no page for."""
    generated = {*FROM_REPOSITORY, *_reference().pages(), *notebooks()}
    there = {path.relative_to(config.docs_dir).as_posix() for path in Path(config.docs_dir).rglob("*.md")}
    config.nav = _only(config.nav, generated | there)
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    pages = {page: (ROOT / source).read_text() for page, source in FROM_REPOSITORY.items()}
    pages |= _reference().pages()
    pages |= {page: notebook(path) for page, path in notebooks().items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point links at pages of the site; a link to a file that the site does not hold becomes its name."""
    name = page.file.src_uri
    return relinked(markdown, name, {file.src_uri for file in files})


def relinked(markdown: str, page: str, known: set[str]) -> str:
    """Links as they must be on the site. `page` and `known` are paths inside docs/."""
    source = FROM_REPOSITORY.get(page, f"docs/{page}")
    pages = {repository: on_site for on_site, repository in FROM_REPOSITORY.items()}

    def point(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match[0]
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        on_site = pages.get(wanted, wanted.removeprefix("docs/") if wanted.startswith("docs/") else "")
        if on_site not in known:
            assert (ROOT / wanted).exists(), f"{source}: the link to {target} leads nowhere"
            assert not image, f"{source}: the site holds no {target}; keep pictures under docs/"
            return f"{text} (`{wanted}`)" if text.strip("`") != wanted else f"`{wanted}`"
        there = posixpath.relpath(on_site, posixpath.dirname(page) or ".")
        return f"{image}[{text}]({there}{'#' + anchor if anchor else ''})"

    return _LINK.sub(point, markdown)


def notebooks() -> dict[str, Path]:
    """The notebooks, and scripts in percent format, by the page that each becomes."""
    found = [path for path in (ROOT / "docs" / "examples").iterdir() if path.suffix in (".py", ".ipynb")]
    return {f"examples/{path.stem}.md": path for path in sorted(found)}


def notebook(file: Path) -> str:
    """Run a notebook, cell by cell, from the repository's root; all of it as Markdown."""
    out: list[str] = []
    names: dict[str, Any] = {"__name__": "notebook"}
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        for is_text, source in _cells(file):
            if is_text:
                out.append(source)
                continue
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                shown = _run(source, file.name, names)
            out.append(f"```python\n{source}\n```")
            if printed.getvalue().strip():
                out.append(f"```text\n{printed.getvalue().rstrip()}\n```")
            if shown is not None:
                out.append(_display(shown))
    finally:
        os.chdir(here)
    return "\n\n".join(out) + "\n"


def _cells(file: Path) -> list[tuple[bool, str]]:
    """The cells of a notebook or of a script in percent format, and whether each is text."""
    if file.suffix == ".ipynb":
        cells = json.loads(file.read_text())["cells"]
        return [(cell["cell_type"] == "markdown", "".join(cell["source"])) for cell in cells]
    found = []
    for cell in re.split(r"^# %%", file.read_text(), flags=re.MULTILINE)[1:]:
        head, _, body = cell.partition("\n")
        body = body.strip("\n")
        if "[markdown]" in head:
            body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
        found.append(("[markdown]" in head, body))
    return found


def _run(source: str, name: str, names: dict[str, Any]) -> Any:
    """Run a cell; what its last line is worth, as a notebook shows it."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), name, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), names)


def _display(shown: Any) -> str:
    """What a notebook would show of an object; on one line, since Markdown ends HTML at an empty one."""
    for method in ("_repr_html_", "_repr_svg_"):
        if hasattr(shown, method):
            return f"<div>{' '.join(getattr(shown, method)().split())}</div>"
    return f"```text\n{shown!r}\n```"


def _only(nav: Any, known: set[str]) -> Any:
    kept = []
    for entry in nav:
        ((title, target),) = entry.items()
        if isinstance(target, list):
            target = _only(target, known)
        elif target not in known:
            continue
        if target:
            kept.append({title: target})
    return kept


def _reference() -> Any:
    """scripts/reference.py as a module; the scripts are no package."""
    spec = importlib.util.spec_from_file_location("rigorkd_reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
