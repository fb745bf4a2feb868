"""Labels come out safe for prompts, and otherwise as people wrote them."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sam2_assets.exports import ImportSettings
from sam2_assets.exports.labels import clean_label, clean_text
from sam2_assets.tables import Provenance

tokens = st.sampled_from(
    ["<image>", "<|im_end|>", "<|box:0|>", "</s>", "<", ">", "|", "\0", "\n", " ", "\u200b", "é", "针"]
)


@pytest.mark.parametrize(
    ("raw", "label", "provenance"),
    [
        ("dog", "dog", Provenance.STATED),
        ("针/持针器", "针/持针器", Provenance.STATED),
        ("  left\t\thand \n", "left hand", Provenance.CLEANED),
        ("cafe\u0301", "café", Provenance.CLEANED),
        ('tool "A"\n<image>', 'tool "A" ‹image›', Provenance.CLEANED),
        ("<|im_end|>", "‹|im_end|›", Provenance.CLEANED),
        ("<<image>>", "‹‹image››", Provenance.CLEANED),
        ("<\0|box:0|>", "‹|box:0|›", Provenance.CLEANED),
        ("a<b", "a<b", Provenance.STATED),
        (" \u200b ", "object_7", Provenance.CLEANED),
    ],
)
def test_labels_are_cleaned_without_losing_their_letters(raw: str, label: str, provenance: Provenance) -> None:
    assert clean_label(raw, 7, {}) == (label, provenance)


@given(st.lists(tokens | st.text(max_size=4), max_size=8).map("".join))
def test_no_label_can_carry_a_prompt_token(raw: str) -> None:
    label, _ = clean_label(raw, 0, {})
    assert label == label.strip() == unicodedata.normalize("NFC", label)
    assert label
    assert not re.search(r"<[^<>]*>|<\||\|>", label)
    assert not any(unicodedata.category(c) == "Cc" for c in label)
    assert clean_text(label) == label


def test_the_map_applies_to_raw_and_to_clean_spelling() -> None:
    mapping = {" Dog": "hound", "cat": "  feline <image> "}
    assert clean_label(" Dog", 0, mapping) == ("hound", Provenance.MAPPED)
    assert clean_label(" cat ", 0, mapping) == ("feline ‹image›", Provenance.MAPPED)
    assert clean_label("Dog", 0, mapping) == ("Dog", Provenance.STATED)


def test_a_map_to_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="blank"):
        ImportSettings(label_map={"dog": " \u200b"})
