"""The command's entry point: its sub-commands, and how errors end.

Sub-commands import what they need when they run: ``sam2-assets --help`` should not wait for pandas or Dagster.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from sam2_assets.cli.interruption import EXIT_INTERRUPTED, NOTHING, StoppedError
from sam2_assets.errors import Sam2AssetsError, no_room_left

EXIT_UNREADABLE = 2
EXIT_GATE = 3


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From SAM2 video annotations to a fine-tuned, deployable vision-language model.",
)

Export = Annotated[Path, typer.Argument(help="An export ZIP of the SAM2 demo.", resolve_path=True)]
Video = Annotated[Path | None, typer.Option(help="The video it was made from, for clean frames.", resolve_path=True)]
Out = Annotated[Path, typer.Option(help="A folder; made if it is absent.", resolve_path=True)]
SettingsPath = Annotated[Path | None, typer.Option("--settings", help="A settings file.", resolve_path=True)]
Name = Annotated[str, typer.Argument(help="A partition key as `status` lists it, or `corpus`.")]


@app.command()
def sample(
    out: Out = Path("var/sample"),
    videos: Annotated[int, typer.Option(min=1, max=64, help="How many videos.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other videos.")] = 0,
) -> None:
    """Draw sample videos and write them as the SAM2 demo exports them, defects included."""
    from sam2_assets.cli import local

    local.write_sample_exports(out, videos, seed)


@app.command()
def inspect(
    export: Export,
    video: Video = None,
    settings: SettingsPath = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the quality report as this one .html file, too.", resolve_path=True)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Read one export and say what is in it, what was repaired and what is wrong.

    Exit code 0: readable; 3: readable, but a gate fails; 2: unreadable, with one line on stderr.
    """
    from sam2_assets.cli import inspection

    raise typer.Exit(inspection.run(export, video, settings, report, as_json=as_json))


@app.command()
def convert(
    export: Export,
    to: Annotated[
        str,
        typer.Option("--format", help="llava, messages, grounding, qwen, qwen2_5, coco, jsonl_masks or huggingface."),
    ],
    out: Annotated[
        Path, typer.Option(help="A folder, made if it is absent; or a new archive, *.zip.", resolve_path=True)
    ],
    video: Video = None,
    settings: SettingsPath = None,
) -> None:
    """Write one export in another tool's format."""
    from sam2_assets.cli import local

    local.convert(export, to, out, video, settings)


@app.command()
def preview(
    source: Annotated[str, typer.Argument(help="An export ZIP, or a partition key as `status` lists it.")],
    out: Out,
    family: Annotated[
        list[str] | None, typer.Option(help="A model family; again for another. All, if none is named.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="Samples of each family.")] = 6,
    video: Video = None,
    settings: SettingsPath = None,
) -> None:
    """Write the first samples as a model family sees them: its picture, question, answer, and boxes drawn."""
    from sam2_assets.cli import previewing

    previewing.preview(source, out, family or [], count, video, settings)


@app.command()
def plan(config: Annotated[Path, typer.Argument(help="A run file, see docs/command.md.", resolve_path=True)]) -> None:
    """Say what a training run would need and cost, without starting it."""
    from sam2_assets.cli import local_run

    raise typer.Exit(local_run.plan(config))


@app.command()
def train(config: Annotated[Path, typer.Argument(help="A run file, see docs/command.md.", resolve_path=True)]) -> None:
    """Train, evaluate and write the model repository, here and now, without Dagster.

    Run it again after an interruption: it resumes from the last checkpoint.
    """
    from sam2_assets.cli import local_run

    raise typer.Exit(local_run.train(config))


@app.command()
def serve(
    repository: Annotated[Path, typer.Argument(help="The folder that model_card published.", resolve_path=True)],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    base_model: Annotated[
        str | None, typer.Option(help="Folder or hub id of the base model; empty: what the repository says.")
    ] = None,
) -> None:
    """Answer questions about pictures over HTTP."""
    from sam2_assets.packaging.server import serve as run_server

    run_server(repository, host=host, port=port, base_model=base_model)


@app.command()
def submit(
    export: Export,
    video: Video = None,
    settings: SettingsPath = None,
) -> None:
    """Put an export into the inbox. The sensor starts the line; without a running daemon it runs here."""
    from sam2_assets.cli import platform

    raise typer.Exit(platform.submit(export, video, settings))


@app.command()
def status(partition: Annotated[str | None, typer.Argument(help="A partition key, or `corpus`.")] = None) -> None:
    """Where every export stands; or one, with what stops it and what to do next."""
    from sam2_assets.cli import status as standing

    standing.status(partition)


@app.command()
def fetch(
    partition: Name,
    asset: Annotated[str, typer.Argument(help="raw_export, quality_report, model_card, ...")],
    out: Out,
) -> None:
    """Copy the newest version of an artifact to a folder of yours."""
    from sam2_assets.cli import platform

    platform.fetch(partition, asset, out)


@app.command()
def launch(
    job: Annotated[str, typer.Argument(help="ingest, plan_corpus, train_video, ...; a wrong name lists them.")],
    partition: Annotated[str | None, typer.Argument(help="A partition key; none for a job of the corpus.")] = None,
) -> None:
    """Run a job: in Dagster's queue if its daemon is running, else here."""
    from sam2_assets.cli import platform

    raise typer.Exit(platform.launch(job, partition))


@app.command()
def settings(
    partition: Annotated[str | None, typer.Argument(help="A partition key, or `corpus`.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="section.field=value, into the partition's settings file.")
    ] = None,
    explain: Annotated[bool, typer.Option(help="List every setting with default and meaning.")] = False,
) -> None:
    """The settings that hold for an export, and which file each comes from."""
    from sam2_assets.cli import platform

    platform.settings(partition, change or [], explain=explain)


@app.command()
def approve(
    partition: Name,
    by: Annotated[str | None, typer.Option(help="Who approves; default: your user name.")] = None,
    run: Annotated[bool, typer.Option(help="Then train, evaluate and package, as `launch` does.")] = False,
) -> None:
    """Approve the newest training plan of an export, or of the corpus."""
    from sam2_assets.cli import platform

    raise typer.Exit(platform.approve(partition, by, run=run))


@app.command()
def notify() -> None:
    """Send a test message to every target that is configured for notifications.

    Exit code 0: all accepted it; 2: none is configured or one did not, with one line on stderr.
    """
    from sam2_assets.cli import notifying

    notifying.try_targets()


@app.command()
def demo(
    seeds: Annotated[int, typer.Option(min=1, max=9, help="Train with so many seeds and print all scoreboards.")] = 1,
) -> None:
    """The whole line on the built-in sample, through Dagster: sample, import, train, evaluate, card, serve."""
    from sam2_assets.cli import demo as demonstration

    raise typer.Exit(demonstration.run(seeds))


def _no_traceback_of_ctrl_c() -> None:
    """Keep libraries from printing where Ctrl-C met them; that it came is said once, at the end.

    SQLAlchemy logs whatever interrupts the closing of a connection, Python what interrupts a destructor. Both go on to
    raise or had nothing left to do.
    """
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    otherwise = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            otherwise(unraisable)

    sys.unraisablehook = hook


def main() -> None:
    """Run the command; a user error ends with one line on stderr and exit code 2, Ctrl-C with one and 130."""
    _no_traceback_of_ctrl_c()
    try:
        app()
    except StoppedError as stopped:
        _stopped(str(stopped))
        raise SystemExit(EXIT_INTERRUPTED) from stopped
    except SystemExit as ended:
        # A sub-command that says nothing about Ctrl-C: Typer ends it quietly.
        if ended.code == EXIT_INTERRUPTED:
            _stopped(NOTHING)
        raise
    except Sam2AssetsError as error:
        print(f"sam2-assets: {error}", file=sys.stderr)
        raise SystemExit(EXIT_UNREADABLE) from error
    except OSError as error:
        if not no_room_left(error):
            raise
        # the system does not always say where
        where = error.filename or f"the output folder or the one for temporary files, {tempfile.gettempdir()}"
        print(f"sam2-assets: {where}: no room left on its disk. Free space, then run again.", file=sys.stderr)
        raise SystemExit(EXIT_UNREADABLE) from error


def _stopped(words: str) -> None:
    # On a line of its own: the terminal has just printed ^C.
    print(f"{chr(10) if sys.stderr.isatty() else ''}sam2-assets: stopped; {words}", file=sys.stderr)
