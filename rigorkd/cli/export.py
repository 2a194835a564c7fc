"""`rigorkd export`: a study as one archive to cite."""

from __future__ import annotations

from pathlib import Path

import click

from rigorkd.cli.options import find_source, judged_for_a_page, results_option, study_folder, warn


@click.command(short_help="Pack a study as one archive to cite, which verifies itself.")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@results_option
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file to write  [default: <study>.zip, here]"
)
@click.option("--weights", is_flag=True, help="With the students' weights too.")
def export(study: Path | None, results: Path, out: Path | None, weights: bool) -> None:
    """Pack STUDY (default: the newest) as one ZIP archive, for an appendix or a repository of data.

    It has the records, the plan, the protocol, versions and hardware, the report, and a README with the
    digest and how to verify it. Unpacked, it is a study that `rigorkd verify --against DIGEST` and `rigorkd
    analyze` read. The same study gives the same bytes. Teachers' weights come along, students' only with
    --weights. A damaged study is refused. Its report is an analysis, so that packing a finished study notes
    a look, as `rigorkd report` does. Where a look came before, the sequential verdicts are in it, too.

    \b
    rigorkd export
    rigorkd export results/digits --out digits-2026.zip
    """
    from rigorkd.cli.checked import free_for_writing
    from rigorkd.errors import StoreError
    from rigorkd.files import file_sha256
    from rigorkd.records.integrity import verify_study
    from rigorkd.report.archive import pack
    from rigorkd.report.emit import to_json
    from rigorkd.report.figures.side_by_side import cores
    from rigorkd.report.gather import gather
    from rigorkd.report.headline import how_far
    from rigorkd.report.judging import Question
    from rigorkd.report.render.html import html
    from rigorkd.report.report_page import report_page
    from rigorkd.report.sentences import with_status
    from rigorkd.text import count

    folder = study_folder(study, results)
    file = out or Path(f"{folder.resolve().name}.zip")
    free_for_writing(file)
    verified = verify_study(folder)
    if verified.damaged:
        first = verified.damaged[0]
        raise StoreError(
            f"{folder}: {count(len(verified.damaged), 'record')} damaged, first {first.run}: {first.reason}",
            hint="mend it first: `rigorkd run` with the same protocol trains what is damaged again",
        )
    found, question = find_source([str(folder)], results), Question()
    analysis, question = judged_for_a_page(found, question)
    page = html(report_page(gather(found, analysis)), cores())
    warn(found, question, analysis)  # notes the look, which belongs into the archive
    open_ = "" if analysis.progress is None else how_far(analysis.progress, analysis.looks)[0]
    made = pack(
        folder,
        file,
        verified=verified,
        report=page,
        analysis=to_json(with_status(analysis)),
        warnings=analysis.warnings,
        open_=open_,
        sequential=analysis.sequential is not None,
        weights=weights,
    )
    click.echo(f"{file}: {count(made.files, 'file')}, {made.bytes / 1e6:,.1f} MB")
    if made.left_out:
        click.echo(f"  without the weights of {count(made.left_out, 'student')}")
    if open_:
        click.echo(f"  {open_}")
    click.echo(f"  digest of the study   {verified.digest}")
    click.echo(f"  sha256 of the archive {file_sha256(file)}")
