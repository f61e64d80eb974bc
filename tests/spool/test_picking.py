from __future__ import annotations

from mailrider.spool.picking import Picked, Wanted


def test_messages_and_recipients_are_bounded() -> None:
    picked = Picked(Wanted(messages_limit=2, recipients_limit=4))
    for key, number in [(1, 0), (2, 0), (1, 1)]:
        assert picked.has_room(key)
        picked.add(key, number)
    assert not picked.has_room(3), "a third message"
    picked.messages_limit = 3
    assert picked.has_room(3)
    picked.add(3, 0)
    assert not picked.has_room(1), "a fifth recipient"
    assert picked.spots == {1: [0, 1], 2: [0], 3: [0]}


def test_what_is_removed_leaves_no_room() -> None:
    picked = Picked(Wanted(messages_limit=9, recipients_limit=3))
    for number in range(3):
        picked.add(1 + number // 2, number)
    picked.remove({(1, 0), (2, 2)})
    assert picked.spots == {1: [1]}
    assert not picked.has_room(1)
