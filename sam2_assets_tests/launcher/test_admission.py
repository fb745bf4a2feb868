"""Which card a run gets, and what nvidia-smi's lines mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam2_assets.errors import LaunchError
from sam2_assets.launcher.admission import HEADROOM_MIB, SETTLE_S, Booking, Fits, Never, Waits, admit, available_mib
from sam2_assets.launcher.cards import Card, parse_cards

TWO_CARDS = """\
0, GPU-8f1c, NVIDIA H100 80GB HBM3, 81559, 80994
1, GPU-22aa, NVIDIA GeForce RTX 3090, 24576, 10000
"""

mib = st.integers(0, 200_000)
cards = st.lists(
    st.builds(Card, st.integers(0, 7), st.uuids().map(str), st.just("a card"), st.none() | mib, st.none() | mib),
    max_size=5,
    unique_by=(lambda card: card.index, lambda card: card.uuid),
)


def test_lines_of_nvidia_smi_become_cards() -> None:
    assert parse_cards(TWO_CARDS) == [
        Card(0, "GPU-8f1c", "NVIDIA H100 80GB HBM3", 81559, 80994),
        Card(1, "GPU-22aa", "NVIDIA GeForce RTX 3090", 24576, 10000),
    ]
    assert parse_cards("No devices were found\n") == []
    assert parse_cards("0, GPU-1, A, B, [N/A], [Not Supported]\n") == [Card(0, "GPU-1", "A, B", None, None)]


@given(cards)
def test_what_a_driver_prints_is_read_back(found: list[Card]) -> None:
    def figure(value: int | None) -> str:
        return "[N/A]" if value is None else str(value)

    text = "".join(f"{c.index}, {c.uuid}, {c.name}, {figure(c.total_mib)}, {figure(c.free_mib)}\n" for c in found)
    assert parse_cards(text) == found


@pytest.mark.parametrize(
    "line",
    [
        "Failed to initialize NVML",
        "x, GPU-1, A, 1, 1",
        "0, GPU-1, A, 1 MiB, 1 MiB",
        "0, , A, 1, 1",
        "0, GPU-1, A, 1, -5",
    ],
)
def test_anything_else_is_refused_with_the_line(line: str) -> None:
    with pytest.raises(LaunchError) as refused:
        parse_cards(f"7, GPU-9, B, 10, 10\n{line}\n")
    assert refused.value.code == "unreadable_cards"
    assert str(refused.value.value).strip("'\"") == line


def test_a_run_gets_the_fullest_card_that_holds_it_and_waits_with_the_figures() -> None:
    found = parse_cards(TWO_CARDS)
    small, large = admit(8_000, found), admit(20_000, found)
    assert isinstance(small, Fits)
    assert isinstance(large, Fits)
    assert (small.card.index, large.card.index) == (1, 0)
    busy = [Card(0, "GPU-8f1c", "NVIDIA H100 80GB HBM3", 81559, 12_000)]
    waits = admit(20_000, busy)
    assert waits == Waits("needs 20.5 GiB; free: card 0 (NVIDIA H100 80GB HBM3) 11.7 GiB")
    assert admit(90_000, found) == Never("needs 88.9 GiB; the largest, card 0 (NVIDIA H100 80GB HBM3), has 79.6 GiB")
    assert admit(8_000, []) == Never("this host has no graphics card")


def test_what_was_promised_a_moment_ago_is_not_promised_again() -> None:
    card = Card(0, "GPU-1", "a card", 24_000, 24_000)
    fresh, settled = Booking("GPU-1", 15_000, 1.0), Booking("GPU-1", 15_000, SETTLE_S + 1)
    assert isinstance(admit(15_000, [card], [fresh]), Waits)
    assert isinstance(admit(15_000, [card], [settled]), Fits), "by then it shows in the card's own figure"
    assert isinstance(admit(15_000, [card], [Booking("GPU-2", 15_000, 1.0)]), Fits)


@given(st.none() | mib, cards, st.lists(st.builds(Booking, st.just("none"), mib, st.floats(0, 1000)), max_size=3))
def test_no_decision_promises_memory_that_is_not_there(
    need: int | None, found: list[Card], elsewhere: list[Booking]
) -> None:
    decision = admit(need, found, elsewhere)
    assert decision.reason
    if isinstance(decision, Fits):
        free = available_mib(decision.card, elsewhere)
        assert free is not None
        assert need is None or free >= need + HEADROOM_MIB
    elif isinstance(decision, Never):
        assert need is None or not any(
            c.free_mib is not None and (c.total_mib is None or c.total_mib >= need + HEADROOM_MIB) for c in found
        )
