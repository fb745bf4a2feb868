"""``python -m sam2_assets.training JOB.json``: the training child process.

Exit codes: 0 the result is in the job's ``out``; 2 a problem the user can solve, one line on stderr; 75 (EX_TEMPFAIL)
asked to end, run the same command again to go on; anything else is a crash.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path

from sam2_assets.errors import Sam2AssetsError
from sam2_assets.training.execution import execute
from sam2_assets.training.job import TrainingJob
from sam2_assets.training.progress import reporting
from sam2_assets.training.stopping import Interrupted, StopRequest, end_with_parent

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 75

_ENVIRONMENT = {
    # cuBLAS is deterministic only with a fixed workspace.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # Bars freeze a log that is read line by line.
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a job; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sam2_assets.training", description="Train what a plan says.")
    parser.add_argument("job", type=Path, help="JOB.json: plan, splits, datasets, work, out")
    parser.add_argument("--quiet", action="store_true", help="print no progress on stdout")
    options = parser.parse_args(arguments)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # The library's notes to its own developers would bury the one line that a user must see.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    stop = StopRequest()
    with reporting(quiet=options.quiet) as reporter:
        try:
            stop.install()
            end_with_parent()
            execute(TrainingJob.read(options.job), reporter, stop)
        except Sam2AssetsError as error:
            reporter.failed(error)
            print(error, file=sys.stderr)
            return EXIT_USER_ERROR
        except Interrupted:
            return EXIT_INTERRUPTED
        except BaseException as error:
            reporter.failed(error)
            raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
