"""``takt compare`` and ``takt report``: what a study's table says, for the terminal and for a paper."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from scenarios.report.study_page import study_page
from scenarios.show import tables_console
from scenarios.study.compare import RATIOS, Findings, findings
from scenarios.study.export import differences_table, means_table, to_csv, to_latex
from scenarios.study.figures import differences_figure, means_figure, write
from scenarios.study.metrics import METRICS
from scenarios.study.table import read_table, rows_of

STUDY = click.argument("study", type=click.Path(exists=True, path_type=Path))
BASELINE = click.option(
    "--baseline", default=None, help="A mechanism or group; default: the first of the table."
)
WANTED = click.option(
    "--metric",
    "metrics",
    type=click.Choice([*METRICS, *RATIOS]),
    multiple=True,
    help="Only these; may be given several times.",
)


@click.command("compare")
@STUDY
@BASELINE
@WANTED
def compare(study: Path, baseline: str | None, metrics: tuple[str, ...]) -> None:
    """Print means and paired differences of the table of STUDY (a folder of `takt sweep`)."""
    found = _findings(study, baseline, metrics)
    console = tables_console()
    for title, (header, rows) in (
        ("Means with 95 % intervals", means_table(found)),
        ("Paired differences, same draws", differences_table(found)),
    ):
        table = Table(title=title, title_justify="left")
        for index, name in enumerate(header):
            table.add_column(name, justify="left" if index < 2 else "right", no_wrap=index == 0)  # noqa: PLR2004 - name and unit
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for note in found.notes:
        click.echo(note.text, err=True)


@click.command("report")
@STUDY
@BASELINE
@WANTED
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Default: STUDY/report.")
def report(study: Path, baseline: str | None, metrics: tuple[str, ...], out: Path | None) -> None:
    """Write the findings of STUDY as HTML, vector figures (SVG, PDF), LaTeX and CSV."""
    found = _findings(study, baseline, metrics)
    folder = out if out is not None else (study if study.is_dir() else study.parent) / "report"
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for metric in found.metrics:
        write(means_figure(found, metric), folder / "figures" / f"{metric}")
        if any(one.metric == metric for one in found.differences):
            write(differences_figure(found, metric), folder / "figures" / f"{metric}-differences")
    (folder / "findings.csv").write_text(to_csv(found), encoding="utf-8")
    (folder / "means.tex").write_text(
        to_latex(*means_table(found), "Means with 95 % intervals", found.notes), encoding="utf-8"
    )
    (folder / "differences.tex").write_text(
        to_latex(*differences_table(found), "Paired differences on the same draws", found.notes),
        encoding="utf-8",
    )
    (folder / "index.html").write_text(study_page(found, study.name), encoding="utf-8")
    click.echo(
        f"report  {folder / 'index.html'}\nfigures {folder / 'figures'}\ntables  {folder}/*.tex, findings.csv"
    )


def _findings(study: Path, baseline: str | None, metrics: tuple[str, ...]) -> Findings:
    try:
        return findings(rows_of(read_table(study)), baseline=baseline, metrics=metrics)
    except FileNotFoundError as error:
        raise click.ClickException(f"{study} holds no table: run takt sweep first ({error})") from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
