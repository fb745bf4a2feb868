"""What can be asked about a frame. A new task is one function that composes answers, an entry here, and phrasings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sam2_assets.errors import SettingsError
from sam2_assets.instructions.language import Phrasing, fill, language, languages, placeholders
from sam2_assets.instructions.rows import Conversation, sample_id
from sam2_assets.instructions.settings import InstructionSettings
from sam2_assets.instructions.tasks.listing import LISTING
from sam2_assets.instructions.tasks.placing import PLACING
from sam2_assets.instructions.tasks.referring import REFERRING
from sam2_assets.instructions.tasks.scene import Draws, Earlier, Scene, Task
from sam2_assets.instructions.tasks.segmenting import SEGMENTING

__all__ = ["PROMPT_TOKENS", "TASKS", "Earlier", "Scene", "Task", "check_tasks", "converse"]

PROMPT_TOKENS = ("<|", "<image>", "<video>", "<bbox>", "<ref-object>", "\n")
"""Text that would change the prompt or break an answer's lines, if a label or question held it."""

TASKS: Mapping[str, Task] = {task.name: task for task in (*LISTING, *PLACING, *REFERRING, *SEGMENTING)}


def check_tasks(settings: InstructionSettings) -> None:
    """Refuse task settings that cannot be followed.

    Raises:
        SettingsError: ``no_tasks``, ``unknown_task``, ``repeated_task``, ``no_languages``, ``unknown_language``,
            ``repeated_language``, ``bad_question``, ``bad_label``.
    """
    _check_names("task", settings.tasks, list(TASKS), "instructions.tasks")
    _check_names("language", settings.languages, list(languages()), "instructions.languages")
    for name, question in settings.questions.items():
        field = f"instructions.questions.{name}"
        if name not in TASKS:
            raise SettingsError(
                "unknown_task", "no such task", field=field, value=name, remedy=f"Choose from: {', '.join(TASKS)}."
            )
        bad = next((token for token in PROMPT_TOKENS if token in question), None)
        if bad is not None or not question.strip():
            raise SettingsError(
                "bad_question",
                f"a question must be one line of text without {bad!r}" if bad else "the question is empty",
                field=field,
                value=question,
                remedy="The picture and the answer's format are added by the model family; write only the question.",
            )
        if placeholders(question) != set(TASKS[name].placeholders):
            needed = " and ".join(f"{{{each}}}" for each in TASKS[name].placeholders) or "no name in braces"
            raise SettingsError(
                "bad_question",
                f"a question of task {name} must hold {needed}",
                field=field,
                value=question,
                remedy="Write for example 'Where is the {label}?' for locate.",
            )
    for label in settings.other_labels:
        if not label.strip() or any(token in label for token in PROMPT_TOKENS):
            raise SettingsError(
                "bad_label",
                "a label must be one line of text without prompt tokens",
                field="instructions.other_labels",
                value=label,
                remedy="Name things that no frame shows, for example 'elephant'.",
            )


def _check_names(kind: str, names: Sequence[str], known: Sequence[str], field: str) -> None:
    remedy = f"Choose from: {', '.join(known)}."
    if not names:
        raise SettingsError(f"no_{kind}s", f"no {kind} is named", field=field, value=[], remedy=remedy)
    for name in names:
        if name not in known:
            raise SettingsError(f"unknown_{kind}", f"no such {kind}", field=field, value=name, remedy=remedy)
    if len(set(names)) != len(names):
        raise SettingsError(
            f"repeated_{kind}",
            f"a {kind} is named twice",
            field=field,
            value=list(names),
            remedy=f"Name each {kind} once.",
        )


def converse(video_id: str, frame_index: int, scene: Scene, settings: InstructionSettings) -> tuple[Conversation, ...]:
    """At most one conversation a task about a frame; language and phrasing hang on seed and sample id only.

    The turns of a dialogue are in the language of its first. A task that cannot be asked of this frame without doubt
    is left out of it.
    """
    conversations: list[Conversation] = []
    code = ""
    for name in settings.tasks:
        draws = Draws(f"{settings.seed}:{sample_id(video_id, frame_index, name)}")
        if len(conversations) % settings.turns == 0:
            code = draws.one_of(settings.languages, "language")
        spoken = language(code)
        composed = TASKS[name].compose(scene, spoken, draws)
        if composed is None:
            continue
        variants = spoken.questions[composed.phrasings or name]
        own = settings.questions.get(name)
        phrasing = Phrasing(own) if own else draws.one_of(variants, "phrasing")
        conversations.append(
            Conversation(
                task=name,
                question=fill(phrasing.text, composed.values),
                answer=composed.answer,
                dialogue=len(conversations) // settings.turns,
                language=code,
                request=fill(phrasing.request, composed.values),
            )
        )
    return tuple(conversations)
