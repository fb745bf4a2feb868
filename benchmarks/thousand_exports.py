"""A thousand exports put at once into a real S3 server: what each tick of the inbox sensor takes, until all are known.

python -m benchmarks.thousand_exports --exports 1000 --json result.json --chart docs/images/thousand_exports.png

Every export has a video beside it. The ticks are the sensor's own function on a Dagster instance on disk (SQLite);
partitions and runs that it asks for are entered there, but nothing is executed. A quiet inbox follows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import psutil

from sam2_assets.automation.inbox_sensor import build_inbox_sensor
from sam2_assets.automation.intake import SETTLE_S
from sam2_assets.automation.settings import AutomationSettings
from sam2_assets.inbox import scan
from sam2_assets.partitions import videos
from sam2_assets.resources import StoreResource
from sam2_assets_tests.s3_server import running_s3_server

_BUCKET = "thousand"
_QUIET_TICKS = 5


@dg.job
def _imported() -> None:
    """Stands for ``ingest``: a run is entered, not executed."""


def one_tick(instance: dg.DagsterInstance, store: StoreResource, cursor: str | None) -> tuple[dict[str, Any], str]:
    """Evaluate the sensor once, do what it asks for, and measure both."""
    process = psutil.Process()
    clock, cpu = time.perf_counter(), time.process_time()
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"store": store})
    outcome = build_inbox_sensor(AutomationSettings())(context)
    measured = {
        "wall_s": time.perf_counter() - clock,
        "cpu_s": time.process_time() - cpu,
        "memory_mb": process.memory_info().rss / 1e6,
    }
    launched: list[str] = []
    if isinstance(outcome, dg.SensorResult):
        for added in outcome.dynamic_partitions_requests or ():
            if isinstance(added, dg.AddDynamicPartitionsRequest):
                instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))
        for request in outcome.run_requests or ():
            launched.append(str(request.partition_key))
            instance.create_run_for_job(_imported, tags={"dagster/run_key": str(request.run_key)})
        cursor = str(outcome.cursor)
    else:
        cursor = str(context.cursor)
    return {**measured, "launched": launched, "cursor_kb": len(cursor) / 1e3}, cursor


def measure(exports: int) -> dict[str, Any]:
    """Put them all, tick until a tick starts nothing, then some more.

    Raises:
        RuntimeError: an export without a partition, or one that was launched twice.
    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_s3_server(Path(scratch)) as server,
        tempfile.TemporaryDirectory() as home,
        dg.DagsterInstance.local_temp(home) as instance,
    ):
        os.environ.update(server.environment)
        server.client().create_bucket(Bucket=_BUCKET)
        store = StoreResource(root=f"s3://{_BUCKET}/team")
        inbox = store.open().inbox
        inbox.write("warm/up.txt", b"the first write makes the volume")
        began = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            names = [f"day {i % 10}/{i:05}{suffix}" for i in range(exports) for suffix in (".zip", ".mp4")]
            list(pool.map(lambda name: inbox.write(name, name.encode()), names))
        put_s = time.perf_counter() - began
        time.sleep(SETTLE_S + 1)
        ticks: list[dict[str, Any]] = []
        cursor: str | None = None
        while sum(not tick["launched"] for tick in ticks) < _QUIET_TICKS:
            tick, cursor = one_tick(instance, store, cursor)
            ticks.append(tick)
        launched = [name for tick in ticks for name in tick["launched"]]
        wanted = {upload.partition for upload in scan(inbox)}
        if len(wanted) != exports or sorted(launched) != sorted(wanted):
            raise RuntimeError(f"{len(launched)} runs for {len(set(launched))} of {exports} exports")
        if set(instance.get_dynamic_partitions(str(videos.name))) != wanted:
            raise RuntimeError("not every export has a partition")
        return {
            "exports": exports,
            "put_s": put_s,
            "ticks": [{**tick, "launched": len(tick["launched"])} for tick in ticks],
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        }


def chart(result: dict[str, Any], path: Path) -> None:
    """Time and memory of every tick, and what it started."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    ticks: Sequence[dict[str, Any]] = result["ticks"]
    number = range(1, len(ticks) + 1)
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 5), sharex=True, layout="constrained")
    above.bar(number, [tick["wall_s"] for tick in ticks], color="#9ecae1", label="by the clock")
    above.plot(number, [tick["cpu_s"] for tick in ticks], "o-", color="#08519c", label="processor time")
    above.set_ylabel("seconds a tick")
    above.legend()
    above.set_title(f"{result['exports']} exports at once: {sum(t['launched'] for t in ticks)} runs, none twice")
    below.plot(number, [tick["memory_mb"] for tick in ticks], "o-", color="#a63603")
    below.set_ylim(0, 1.3 * max(tick["memory_mb"] for tick in ticks))
    below.set_ylabel("memory, MB (and runs started)")
    below.set_xlabel("tick")
    for at, tick in zip(number, ticks, strict=True):
        below.annotate(f"+{tick['launched']}", (at, tick["memory_mb"]), (0, 8), textcoords="offset points", ha="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    """Print the table, write what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--exports", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chart", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments.exports)
    print(
        "| tick | runs started | seconds | processor s | memory MB | cursor kB |\n| --- | --- | --- | --- | --- | --- |"
    )
    for number, tick in enumerate(result["ticks"], 1):
        figures = f"{tick['wall_s']:.2f} | {tick['cpu_s']:.2f} | {tick['memory_mb']:.0f} | {tick['cursor_kb']:.1f}"
        print(f"| {number} | {tick['launched']} | {figures} |")
    print(f"put in {result['put_s']:.0f} s; {result['machine']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if arguments.chart:
        chart(result, arguments.chart)


if __name__ == "__main__":
    main()
