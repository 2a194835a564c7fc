"""What tables in Markdown are called that are read as one."""

from __future__ import annotations


def test_a_table_in_markdown_is_called_by_its_heading_and_by_no_sentence(folder):
    one = "| Method | s0 | s1 |\n|---|---|---|\n| baseline | 70.1 | 70.5 |\n| kd | 71.1 | 71.9 |\n"
    other = one.replace("| 7", "| 8")
    text = "Teachers are trained anew, now\nabove the baseline.\n"

    def groups(document: str) -> list[str]:
        folder.write("runs.md", document)
        return list(dict.fromkeys(folder.open("runs.md", metric="acc").table["group"]))

    assert groups(f"# A\n\n{text}\n{one}\n# B\n\n{other}") == ["A", "B"]
    assert groups(f"# A\n\nOf two seeds:\n\n{one}\n# B\n\nOf two more:\n\n{other}") == ["A", "B"]
    assert groups(f"A\n===\n\n{text}\n{one}\nB\n---\n\n{text}\n{other}") == ["A", "B"]
    code = "```\n# as it was run\n```\n"
    assert groups(f"# A\n\n{code}\n{one}\n# B\n\n{code}\n{other}") == ["A", "B"]
    assert groups(f"# Results\n\nA:\n\n{one}\nB:\n\n{other}") == ["A", "B"]
    folder.write("runs.md", f"{text}\n{one}\nOf these the second\nis of less.\n\n{other}")
    assert "2 tables, from lines 4, 12" in folder.refusal("runs.md", metric="acc")
