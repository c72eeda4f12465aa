"""The command that runs dbt."""

from io import StringIO

import pytest
from dbt_common.events import event_manager_client
from dbt_common.events.base_types import EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.logger import LineFormat, LoggerConfig
from dbt_common.events.types import Note

from orchestration import dbt_command
from orchestration.dbt_command import WrittenEvents


def written(manager: EventManager, *levels: EventLevel) -> list[str]:
    """What logs of these levels have of one event of each level."""
    streams = [StringIO() for _ in levels]
    for number, (level, stream) in enumerate(zip(levels, streams, strict=True)):
        manager.add_logger(
            LoggerConfig(
                name=f"log{number}",
                level=level,
                line_format=LineFormat.Json if number else LineFormat.PlainText,
                # Without what is another each time.
                scrubber=lambda line: line.partition('"ts"')[0],
                output_stream=stream,
            )
        )
    for level in EventLevel:
        manager.fire_event(Note(msg=f"of {level.value}"), level=level)
    # Its own level is that of debugging.
    manager.fire_event(Note(msg="of its own level"))
    return ["\n".join(line[8:] for line in s.getvalue().splitlines()) for s in streams]


@pytest.mark.parametrize(
    "levels",
    [
        [EventLevel.INFO, EventLevel.INFO],
        [EventLevel.INFO, EventLevel.DEBUG],
        [EventLevel.TEST, EventLevel.ERROR],
        [EventLevel.WARN],
    ],
)
def test_logs_have_what_dbt_would_write(levels: list[EventLevel]) -> None:
    told = written(WrittenEvents(), *levels)
    assert told == written(EventManager(), *levels)
    for level, text in zip(levels, told, strict=True):
        assert "of error" in text
        assert ("of debug" in text) == (level in ("debug", "test"))


def test_an_event_that_nobody_takes_is_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = WrittenEvents()
    seen: list[str] = []
    manager.add_callback(lambda message: seen.append(message.info.level))
    manager.add_logger(LoggerConfig(name="log", level=EventLevel.INFO, output_stream=StringIO()))
    for level in EventLevel:
        manager.fire_event(Note(msg="it"), level=level)
    assert seen == ["info", "warn", "error"]


def test_the_command_is_dbt_with_these_events(monkeypatch: pytest.MonkeyPatch) -> None:
    before = event_manager_client.get_event_manager()
    ran = []
    monkeypatch.setattr(
        dbt_command, "cli", lambda: ran.append(event_manager_client.get_event_manager())
    )
    try:
        dbt_command.main()
    finally:
        event_manager_client.ctx_set_event_manager(before)
    assert [type(manager) for manager in ran] == [WrittenEvents]
