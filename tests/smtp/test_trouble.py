from __future__ import annotations

from mailrider.errors import ConnectionLost, ContentUnreadable
from mailrider.smtp.stage import CONTENT, DOT
from mailrider.smtp.trouble import Trouble


def test_trouble_says_how_and_where() -> None:
    lost = ConnectionLost("gone")
    assert Trouble(lost, DOT) == (lost, DOT)
    assert Trouble(lost, DOT) != Trouble(lost, CONTENT)
    assert Trouble(ContentUnreadable("disk"), CONTENT).stage.doing == "sending message body"
