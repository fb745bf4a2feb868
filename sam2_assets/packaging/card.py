"""The model card: its text from the evidence files and nothing else."""

from __future__ import annotations

import importlib.metadata
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import jinja2

from sam2_assets.coordinates import Convention
from sam2_assets.evaluation.report import guessing, quoted
from sam2_assets.evaluation.scoreboard import caption, markdown, markdown_table, split_size, verdicts
from sam2_assets.evaluation.scores import headline
from sam2_assets.packaging.evidence import Evidence
from sam2_assets.packaging.front_matter import front_matter
from sam2_assets.packaging.serving import Serving
from sam2_assets.packaging.settings import ModelCardSettings

CARD_FILE: Final = "README.md"
_LABELS_SHOWN: Final = 20
_VIDEOS_NAMED: Final = 2
_COORDINATES: Final = {
    Convention.PADDED_UNIT_SQUARE: "fractions of the picture padded to a centred square",
    Convention.THOUSANDTHS: "thousandths of the picture's sides",
    Convention.RESIZED_PIXELS: "pixels of the picture as the processor resized it",
}


def render_card(evidence: Evidence, serving: Serving, settings: ModelCardSettings, gallery: Sequence[str]) -> str:
    """The card's Markdown with its YAML front matter; the same evidence gives the same text.

    Args:
        evidence: where every number comes from.
        serving: names, base model and an example question.
        settings: title, licence, intended use.
        gallery: names of pictures in the repository's ``gallery`` folder.
    """
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {"code": quoted, "line": _line}
    source = files("sam2_assets.packaging").joinpath("card.md.j2").read_text(encoding="utf-8")
    scores, splits = evidence.scores, evidence.splits
    title = settings.title or f"{serving.base.name.split('/')[-1]} on {_sources(splits)}"
    return environment.from_string(source).render(
        front_matter=front_matter(scores, serving, settings),
        title=_line(title),
        waivers=splits["waivers"],
        base=serving.base,
        base_reference=serving.base_reference,
        base_option="" if serving.base_reference else " --base-model FOLDER",
        headline=_headline(scores),
        split_size=split_size(scores),
        left_out=scores["test"]["left_out"],
        scoreboard=markdown(scores),
        caption=caption(scores).splitlines(),
        guessing=[guessing(task, found) for task, found in scores["tasks"].items()],
        gallery=gallery,
        intended_use=settings.intended_use,
        data_table=_data_table(evidence),
        labels=_labels(splits["class_balance"]["all_objects"]["labels"]["train"]),
        split_table=_split_table(splits),
        rejected=splits["rejected"],
        imports=evidence.imports,
        repairs_table=_repairs_table(evidence.imports),
        training_table=_training_table(evidence),
        question=shlex.quote(serving.examples[0].question),
        coordinates=_COORDINATES[Convention(serving.coordinates)],
        limitations=_limitations(evidence),
        provenance_table=_provenance_table(evidence, serving),
    )


def code_version() -> str:
    """The version of this package."""
    return importlib.metadata.version("sam2-assets")


def _line(text: str) -> str:
    return " ".join(text.split())


def _sources(splits: Mapping[str, Any]) -> str:
    sources = splits["sources"]
    return str(sources[0]["partition"]) if len(sources) == 1 else f"{len(sources)} videos"


def _facts(rows: Sequence[tuple[str, object]]) -> str:
    return markdown_table(("", ""), [(name, str(value)) for name, value in rows])


def _headline(scores: Mapping[str, Any]) -> str:
    task, name = headline(scores)
    score = scores["tasks"][task]["scores"][name]
    systems = {system: f"{entry['value']:.3f}" for system, entry in score["systems"].items()}
    proof = " ".join(verdicts(score, scores["bootstrap"]))
    return (
        f"**{score['title'].capitalize()} of task `{task}`: {systems['adapter']}** (base model without adapter "
        f"{systems['base']}, control without the right picture {systems['control']}, majority baseline "
        f"{systems['majority']}). {proof}"
    )


def _data_table(evidence: Evidence) -> str:
    data, counts = evidence.plan["data"], evidence.splits["counts"]
    tasks = ", ".join(f"{task} {count}" for task, count in data["tasks"].items())
    return _facts(
        [
            ("videos", len(evidence.splits["sources"])),
            ("frames to train, validate, test on", f"{counts['train']}, {counts['val']}, {counts['test']}"),
            ("frames left out as guards between them", counts["guard"]),
            ("frames left out because they look like a held one", counts["duplicate"]),
            ("frames left out because their video has too many", counts["over_cap"]),
            ("training samples", data["train_samples"]),
            ("training samples there are, by task", tasks),
        ]
    )


def _labels(counts: Mapping[str, int]) -> str:
    shown = [f"{quoted(label)} {count}" for label, count in list(counts.items())[:_LABELS_SHOWN]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more labels" if more else "")


def _split_table(splits: Mapping[str, Any]) -> str:
    leakage, balance = splits["leakage"], splits["class_balance"]["main_object"]
    naive, alike = leakage["naive_random_split"], leakage["near_duplicates"]
    sides = splits["sides"]
    dealt = (
        [("videos that train, validate, test", ", ".join(str(n) for n in sides["videos"].values()))] if sides else []
    )
    return _facts(
        [
            ("strategy", splits["strategy"]),
            *([("why this one", splits["strategy_reason"])] if splits["strategy_reason"] else []),
            *dealt,
            ("guard between splits", f"{leakage['guard_gap_s']} s"),
            ("val and test frames nearer than that to a train frame", f"{leakage['frames']} of {leakage['of']}"),
            ("val and test frames that look like a train frame", f"{alike['frames']} of {leakage['of']}"),
            ("test frames nearer than that to a val frame", leakage["test_frames_near_val"]),
            ("what looks alike", f"{alike['hash']} that differ in at most {alike['bits']} bits, or equal bytes"),
            (
                "the same, had the frames been shuffled",
                f"{naive['frames']} and {naive['near_duplicates']} of {naive['of']}",
            ),
            ("largest deviation of a label's share in a split", f"{balance['max_deviation_points']} points"),
        ]
    )


def _repairs_table(imports: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a repair and its reason: of a corpus, a row a video would fill pages with the same words."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for partition, found in imports.items():
        for repair in found["repairs"]:
            of = counts.setdefault((repair["what"], _line(repair["why"])), {})
            of[partition] = of.get(partition, 0) + repair["count"]
    rows = [(what, str(sum(of.values())), _named(list(of), len(imports)), why) for (what, why), of in counts.items()]
    return markdown_table(("repair", "count", "videos", "why"), rows) if rows else "Nothing needed a repair."


def _named(videos: Sequence[str], of: int) -> str:
    return ", ".join(videos) if len(videos) <= _VIDEOS_NAMED else f"{len(videos)} of {of}"


def _training_table(evidence: Evidence) -> str:
    training, config = evidence.training, evidence.plan["config"]
    lora, loss, parameters = config["lora"], training["loss"], training["parameters"]
    last = loss["validation_last"]
    return _facts(
        [
            ("optimiser steps", training["steps"]),
            ("samples a step", config["batch_size"] * config["gradient_accumulation"]),
            ("LoRA rank and alpha", f"{lora['rank']} and {lora['alpha']}"),
            ("projector trained", "yes" if lora["train_projector"] else "no"),
            ("learning rate", config["optimizer"]["learning_rate"]),
            ("precision", training["precision"]),
            ("seed", training["seed"]),
            ("trained parameters", f"{parameters['trainable']} of {parameters['total']}"),
            ("training loss, first and last", f"{loss['train_first']:.4f} and {loss['train_last']:.4f}"),
            ("validation loss, last", "none: no validation samples" if last is None else f"{last:.4f}"),
        ]
    )


def _limitations(evidence: Evidence) -> list[str]:
    found = [
        "The truth it was trained and measured against are masks that SAM2 made under a person's hand, and that "
        "person's labels. Nobody else annotated the frames.",
    ]
    both = [v for v in evidence.splits["videos"] if v["counts"]["train"] and v["counts"]["test"]]
    if both:
        found.append(
            "Test frames are later or earlier moments of videos that were also trained on. The scores say nothing "
            "about videos it has never seen."
        )
    if evidence.scores["control"] == "blank":
        found.append("The test split is a single video, so the control could only show blank pictures.")
    least, unit = (evidence.scores["bootstrap"][name] for name in ("least_blocks", "unit"))
    if any(task["blocks"] < least for task in evidence.scores["tasks"].values()):
        found.append(f"The test split has fewer than {least} {unit}s: scores have no interval.")
    labels = evidence.splits["class_balance"]["all_objects"]["labels"]["train"]
    found.append(
        f"It has learned the {len(labels)} labels above and tends to answer with one of them, whatever it sees."
    )
    return found


def _provenance_table(evidence: Evidence, serving: Serving) -> str:
    plan, environment = evidence.plan, evidence.training["environment"]
    rows: list[tuple[str, object]] = [
        ("plan", f"`{plan['plan_hash']}`"),
        ("base model", f"{quoted(serving.base.name)}, fingerprint `{serving.base.fingerprint}`"),
        ("commit of the base model", f"`{serving.base.commit}`" if serving.base.commit else "none: it was a folder"),
        ("adapter weights", f"`{serving.adapter_sha256}`"),
        ("splits", f"`{plan['data']['splits_sha256']}`"),
        *((f"dataset of {video}", f"`{digest}`") for video, digest in sorted(plan["data"]["dataset_sha256"].items())),
        ("code", f"sam2-assets {code_version()}, training recipe {plan['recipe']}"),
        (
            "trained with",
            ", ".join(f"{name} {environment[name]}" for name in ("python", "torch", "transformers", "peft")),
        ),
        ("trained on", environment["device"]),
    ]
    return _facts(rows)
