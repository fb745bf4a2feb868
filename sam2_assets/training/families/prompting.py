"""What every family's prompt has in common: a question is text, never control tokens."""

from __future__ import annotations

from typing import Any

from sam2_assets.errors import TrainingError


def plain_question(processor: Any, question: str) -> str:
    """The question without white space at its ends.

    Raises:
        TrainingError: ``question_has_control_token`` if it contains a token that steers the model (``<image>``,
            ``<|im_end|>``…): it would change how many pictures or turns the prompt has.
    """
    for token in processor.tokenizer.added_tokens_decoder.values():
        if token.special and token.content in question:
            raise TrainingError(
                "question_has_control_token",
                f"the question contains the control token {token.content}",
                field="question",
                value=question,
                remedy="Take the token out of the question.",
            )
    return question.strip()


def only_token(processor: Any, text: str) -> str:
    """``text``, checked to be one token of the processor's vocabulary.

    Raises:
        TrainingError: ``tokenizer_mismatch`` if it is not: the tokenizer is another model's.
    """
    token_id = processor.tokenizer.convert_tokens_to_ids(text)
    if token_id is None or token_id == processor.tokenizer.unk_token_id:
        raise TrainingError(
            "tokenizer_mismatch",
            f"the tokenizer does not know {text}",
            field="base_model",
            remedy="The folder's tokenizer belongs to another model; download the base model again.",
        )
    return text
