"""``python -m sam2_assets_tests.campaigns``: run many cases, print the table, end with 1 if any of them offends."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from sam2_assets_tests.campaigns.bases import uploads
from sam2_assets_tests.campaigns.cases import case
from sam2_assets_tests.campaigns.worker import Outcome, run


def campaign(seeds: range, *, say: bool = False) -> list[Outcome]:
    """Run the cases of ``seeds``, one after the other."""
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            outcome = run(case(seed), Path(folder).resolve() / str(seed))
            outcomes.append(outcome)
            if say and outcome.offence:
                print(f"seed {seed} ({outcome.what}): {outcome.outcome}: {outcome.offence}", flush=True)
            if say and len(outcomes) % 500 == 0:
                print(f"{len(outcomes)} of {len(seeds)}", flush=True)
    return outcomes


def table(outcomes: list[Outcome]) -> str:
    """Markdown: outcomes with counts, the worst memory and time, and the seeds of offenders."""
    counts = Counter(outcome.outcome for outcome in outcomes)
    heaviest = max(outcomes, key=lambda outcome: outcome.memory)
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    offenders = [outcome.seed for outcome in outcomes if outcome.offence]
    lines = [
        f"{len(outcomes)} cases, seeds {outcomes[0].seed} to {outcomes[-1].seed}, {len(uploads())} kinds of upload.",
        "",
        "| outcome | cases |",
        "| --- | ---: |",
        *(f"| `{code}` | {count} |" for code, count in counts.most_common()),
        "",
        f"- Most memory: {heaviest.memory / 1024**2:.0f} MiB (seed {heaviest.seed}, {heaviest.what}).",
        f"- Most processor time: {slowest.seconds:.1f} s (seed {slowest.seed}, {slowest.what}).",
        f"- Offenders: {', '.join(map(str, offenders)) or 'none'}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m sam2_assets_tests.campaigns", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--only", type=int, help="run this seed alone")
    parser.add_argument("--out", type=Path, help="write the table there as well")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.cases)
    if options.only is not None:
        seeds = range(options.only, options.only + 1)
    outcomes = campaign(seeds, say=True)
    text = table(outcomes)
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
    sys.exit(any(outcome.offence for outcome in outcomes))


if __name__ == "__main__":
    main()
