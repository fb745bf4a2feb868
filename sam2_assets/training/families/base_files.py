"""Reading a base model's files, from a folder or a hub, with errors that say which file and what to do."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sam2_assets.errors import TrainingError

CONFIG_FILE = "config.json"
_PROCESSOR_FILE = "processor_config.json"
_PICTURES_FILE = "preprocessor_config.json"
_ANSWER_S = 5.0
_SERVER_ERROR = 500


def read_config(base_model: str, revision: str | None = None) -> dict[str, Any]:
    """The contents of a base model's ``config.json``; loads neither torch nor transformers.

    Args:
        base_model: a folder on this machine, or a model id of a hub (``owner/name``).
        revision: of a hub model: commit, tag or branch; a folder has none.

    Raises:
        TrainingError: ``base_model_missing``, ``base_model_unreachable`` or ``base_model_unreadable``.
    """
    return read_json(config_path(base_model, revision), base_model)


def config_path(base_model: str, revision: str | None = None) -> Path:
    """Where ``config.json`` lies on this machine, downloaded if ``base_model`` is a hub's.

    Raises:
        TrainingError: ``base_model_missing`` or ``base_model_unreachable``.
    """
    folder = Path(base_model).expanduser()
    if folder.is_dir():
        if not (folder / CONFIG_FILE).is_file():
            raise TrainingError(
                "base_model_missing",
                "the folder has no config.json",
                file=str(folder),
                remedy="Name a folder that transformers' save_pretrained wrote, or a model id of a hub.",
            )
        return folder / CONFIG_FILE
    if _looks_like_path(base_model):
        raise TrainingError(
            "base_model_missing",
            "there is no such folder",
            field="base_model",
            value=base_model,
            remedy="Check the path, or give a hub's model id such as llava-hf/llava-1.5-7b-hf.",
        )
    return _download_config(base_model, revision)


def read_picture_settings(base_model: str, revision: str | None = None) -> Mapping[str, Any]:
    """What the picture processor of a base model is set to; empty where there is no file of its own to be had.

    transformers 5 keeps it within ``processor_config.json``, published models mostly in ``preprocessor_config.json``.

    Raises:
        TrainingError: ``base_model_unreadable`` if a file is no JSON object.
    """
    if (file := _optional(_PROCESSOR_FILE, base_model, revision)) is not None:
        settings = read_json(file, base_model).get("image_processor")
        if isinstance(settings, Mapping):
            return settings
    file = _optional(_PICTURES_FILE, base_model, revision)
    return {} if file is None else read_json(file, base_model)


def _optional(name: str, base_model: str, revision: str | None) -> Path | None:
    """Where a file of a base model lies on this machine, if it has one; ``config.json`` was found before."""
    folder = Path(base_model).expanduser()
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    import httpx2
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, OfflineModeIsEnabled

    # Of the commit that config.json was read from.
    commit = config_path(base_model, revision).parent.name
    cached = try_to_load_from_cache(base_model, name, revision=commit)
    if cached is not None:  # or that there is none
        return Path(cached) if isinstance(cached, str) else None
    try:
        with _hub_as_it_is():
            return Path(hf_hub_download(base_model, name, revision=commit))
    except (EntryNotFoundError, HfHubHTTPError, OfflineModeIsEnabled, httpx2.TransportError):
        return None


def _looks_like_path(base_model: str) -> bool:
    return base_model.startswith((".", "/", "~", os.sep)) or base_model.count("/") > 1 or "\\" in base_model


def _download_config(base_model: str, revision: str | None) -> Path:
    # The library's own client: httpx2, not the httpx of the rest.
    import httpx2
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        cached = try_to_load_from_cache(base_model, CONFIG_FILE, revision=revision)
        # A commit never changes; of a branch or a tag there may be a newer one.
        if isinstance(cached, str) and Path(cached).parent.name == revision:
            return Path(cached)
        with _hub_as_it_is():
            return Path(hf_hub_download(base_model, CONFIG_FILE, revision=revision))
    except HFValidationError as error:
        problem, remedy = "this is neither a folder nor a model id", "A model id looks like owner/name."
        raise _unreachable("base_model_missing", base_model, problem, remedy) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, httpx2.TransportError) as error:
        problem = "the hub cannot be reached and the model is not in the local cache"
        remedy = (
            "Download the model to a folder and name that folder, or check network, HF_ENDPOINT and HF_HUB_OFFLINE."
        )
        raise _unreachable("base_model_unreachable", base_model, problem, remedy) from error
    except HfHubHTTPError as error:
        problem = f"the hub does not give it out ({type(error).__name__})"
        remedy = "Check the spelling and the revision; a gated model needs its licence accepted and HF_TOKEN set."
        raise _unreachable("base_model_missing", base_model, problem, remedy) from error


def _hub_answers() -> bool:
    """Whether the hub says anything, asked once and for five seconds at most."""
    import httpx2
    from huggingface_hub import constants, get_session
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        return get_session().head(constants.ENDPOINT, timeout=_ANSWER_S).status_code < _SERVER_ERROR
    except (httpx2.TransportError, OfflineModeIsEnabled):
        return False


@contextmanager
def _hub_as_it_is() -> Iterator[None]:
    """In the block the libraries take only what is on this machine, at once, if the hub does not answer.

    They would ask for each of a model's files, with retries: a model in the cache took three minutes to load. What they
    say of retries is for their developers; how it ends is said by our error.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import logging as hub_logging

    offline, verbosity = constants.HF_HUB_OFFLINE, hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.ERROR)
    # The variable of the same name is read once, at import; this is what the library itself looks at later.
    constants.HF_HUB_OFFLINE = offline or not _hub_answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        hub_logging.set_verbosity(verbosity)


def _unreachable(code: str, base_model: str, problem: str, remedy: str) -> TrainingError:
    return TrainingError(code, problem, field="base_model", value=base_model, remedy=remedy)


def read_json(path: Path, base_model: str) -> dict[str, Any]:
    """A JSON object of a base model.

    Raises:
        TrainingError: ``base_model_unreadable`` if the file is not one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _unreadable(base_model, path.name, str(error)) from error
    if not isinstance(content, dict):
        raise _unreadable(base_model, path.name, "it holds no JSON object")
    return content


def _unreadable(base_model: str, what: str, why: str) -> TrainingError:
    return TrainingError(
        "base_model_unreadable",
        f"{what} of the base model cannot be read: {why.splitlines()[0] if why else 'no reason given'}",
        file=base_model,
        remedy="Download the model again; it needs config.json, tokenizer, picture processor and *.safetensors.",
    )


@contextmanager
def reading(base_model: str, what: str) -> Iterator[None]:
    """Turn what transformers raises about a base model's files into one typed error that names ``what``.

    Raises:
        TrainingError: ``base_model_unreadable``.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    # Bars drawn over each other make the logs of a supervised child unreadable.
    logging.disable_progress_bar()
    on_this_machine = Path(base_model).expanduser().is_dir()
    try:
        with nullcontext() if on_this_machine else _hub_as_it_is():
            yield
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _unreadable(base_model, what, str(error)) from error


def load_weights(model_class: Any, base_model: str, revision: str | None, **how: Any) -> Any:
    """A model of ``model_class`` with every one of its weights from the base model's safetensors.

    transformers draws weights that no file has at random and only warns, with words that a child does not show: the
    training would look as usual, and whoever loads the model again draws others.

    Args:
        model_class: of transformers.
        base_model: a folder on this machine, or a model id of a hub.
        revision: of a hub model.
        how: what ``from_pretrained`` takes besides.

    Raises:
        TrainingError: ``base_model_unreadable`` or ``base_model_incomplete``.
    """
    with reading(base_model, "the model"):
        model, found = model_class.from_pretrained(
            base_model,
            revision=revision,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **how,
        )
    # What else may be missing are buffers, which the architecture computes.
    absent = sorted(set(found["missing_keys"]) & {name for name, _ in model.named_parameters()})
    if absent:
        raise TrainingError(
            "base_model_incomplete",
            f"{len(absent)} of the model's weights are in none of its files, the first is {absent[0]}",
            file=base_model,
            remedy="Download the model again, or save it anew with save_pretrained: nothing is made up in their place.",
        )
    return model


def require_every_part(folder: Path) -> None:
    """Refuse a folder whose index names a file of weights that is not there, as where a download ended early.

    Raises:
        TrainingError: ``base_model_incomplete`` or ``base_model_unreadable``.
    """
    for index in sorted(folder.glob("*.safetensors.index.json")):
        parts = read_json(index, str(folder)).get("weight_map")
        named = {str(part) for part in parts.values()} if isinstance(parts, dict) else set()
        if absent := sorted(part for part in named if not (folder / part).is_file()):
            raise TrainingError(
                "base_model_incomplete",
                f"{index.name} names {len(named)} files, and {absent[0]} is not there",
                file=str(folder),
                remedy="Download the rest of the model.",
            )


def require_whole(weights: Path) -> None:
    """Refuse a file of weights that is shorter than its header says, or has none; reads the header only.

    Raises:
        TrainingError: ``base_model_unreadable``.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy"):
            pass
    except SafetensorError as error:
        raise _unreadable(str(weights.parent), weights.name, str(error)) from error


def text_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The language model's part of ``config.json``; older files keep it at the top level."""
    nested = config.get("text_config")
    return nested if isinstance(nested, Mapping) else config
