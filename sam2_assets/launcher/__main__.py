"""``python -m sam2_assets.launcher [--every SECONDS | --once]``: the upkeep service, see ``upkeep``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading

import dagster as dg
from docker.errors import DockerException
from sqlalchemy.exc import SQLAlchemyError

from sam2_assets.launcher.docker_launcher import PoolRunLauncher
from sam2_assets.launcher.upkeep import logger, reap, release, tell_cancelled


def main(arguments: list[str] | None = None) -> int:
    """Do the rounds until SIGTERM, or once."""
    parser = argparse.ArgumentParser(prog="python -m sam2_assets.launcher", description=__doc__)
    parser.add_argument("--every", type=float, default=15.0, help="seconds between rounds")
    parser.add_argument("--once", action="store_true", help="one round, then end")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        if not isinstance(launcher, PoolRunLauncher):
            print("dagster.yaml names another run launcher: there is nothing to keep up", file=sys.stderr)
            return 2
        while not ended.is_set():
            try:
                told = tell_cancelled(launcher, instance)
                released, removed = release(launcher, instance), reap(launcher, instance)
                if told or released or removed:
                    logger.info(
                        "let go %d runs, told %d to stop, removed %d containers", len(released), len(told), len(removed)
                    )
            except (DockerException, SQLAlchemyError) as error:
                if options.once:
                    raise
                # The engine or the database is away: the next round may find it again.
                logger.warning("round failed: %s", error)
            if options.once:
                break
            ended.wait(options.every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
