"""How the training, evaluation and packaging children start, report and end.

Exit codes: 0 done; 2 a problem the user can solve, one line on stderr; 75 (EX_TEMPFAIL) asked to end, run the same
command again (a training goes on from its checkpoint); anything else is a crash.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sam2_assets.errors import Sam2AssetsError, TrainingError
from sam2_assets.training.disk import disk_full, is_disk_full, threads_quiet
from sam2_assets.training.progress import Reporter, reporting
from sam2_assets.training.stopping import Interrupted, StopRequest, end_with_parent

EXIT_USER_ERROR: Final = 2
EXIT_INTERRUPTED: Final = 75
QUIET_LIBRARIES: Final = {
    # Bars freeze a log that is read line by line.
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


Work = Callable[[Path, Reporter, StopRequest], None]
"""What a child does with its job file. It is told to end by ``Interrupted``, or asks the stop request itself."""


def run_child(module: str, purpose: str, work: Work, arguments: list[str] | None) -> int:
    """Run ``work`` as the whole of a child process; returns the exit code.

    Args:
        module: as in ``python -m module``.
        purpose: one sentence for ``--help``.
        work: what to do.
        arguments: of the command line; ``None``: this process's own.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=purpose)
    parser.add_argument("job", type=Path, help="JOB.json, see docs/architecture.md")
    parser.add_argument("--quiet", action="store_true", help="print no progress on stdout")
    options = parser.parse_args(arguments)
    for name, value in QUIET_LIBRARIES.items():
        os.environ.setdefault(name, value)
    # The library's notes to its own developers would bury the one line that a user must see.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    with threads_quiet(), reporting(quiet=options.quiet) as reporter:
        stop = StopRequest()
        try:
            stop.install()
            end_with_parent()
            work(options.job, reporter, stop)
        except Sam2AssetsError as error:
            return _user_error(error, reporter)
        except Interrupted:
            return EXIT_INTERRUPTED
        except BaseException as error:
            if is_disk_full(error):
                return _user_error(disk_full(options.job), reporter)
            reporter.failed(error)
            raise
    return 0


def ended_badly(child: str, code: int, *, said: str) -> TrainingError:
    """What its exit code says of a child that could not say anything itself: ``child_failed``.

    Args:
        child: the module that was run.
        code: its exit code, as ``subprocess`` gives it: below 0 is the signal that it died of.
        said: where its stderr is to be found, as a sentence.
    """
    remedy = said
    if code == -signal.SIGKILL:
        problem = "the process was killed (signal 9), most often because the machine ran out of memory"
        remedy = (
            "Lower training.batch_size or give the run more memory, then run again: it resumes from its checkpoint."
        )
    elif code < 0:
        problem = f"the process died of signal {-code} ({signal.Signals(-code).name})"
    elif code == EXIT_INTERRUPTED:
        problem, remedy = "the process was asked to stop and saved a checkpoint", "Run again to resume."
    else:
        problem = f"the process ended with exit code {code}"
    return TrainingError("child_failed", problem, file=child, remedy=remedy)


def _user_error(error: Sam2AssetsError, reporter: Reporter) -> int:
    reporter.failed(error)
    print(f"sam2-assets: {error}", file=sys.stderr)
    return EXIT_USER_ERROR
