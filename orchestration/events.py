"""Dagster's event log in SQLite, over connections that are kept.

Belongs here: how events reach the files of an instance. Does not belong here: which events there
are (Dagster) and where the instance lies (runs).

Dagster makes an engine and a connection for each event and has its SQL compiled anew; a night of
some hundred checks spends more time on that than on checking.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

BUSY_SECONDS = 60
# The index and the run under way; the UI looks into files of many runs.
KEPT = 8


class EventLog(SqliteEventLogStorage):
    """The same files and tables, read and written one at a time, as Dagster does."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._kept: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(*arguments, **named)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "EventLog":
        """What the instance's file says."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        if shard in self._kept:
            self._kept.move_to_end(shard)
            return self._kept[shard]
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _without_waiting_for_the_disk)
        self._kept[shard] = engine
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)[1].dispose()
        return engine

    def has_table(self, table_name: str) -> bool:
        """Asked for each event; what is there once stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def wipe(self) -> None:
        """Remove all events, and let go of their files."""
        self._let_go()
        self._tables.clear()
        super().wipe()

    def dispose(self) -> None:
        """Close the files."""
        super().dispose()
        self._let_go()

    def _let_go(self) -> None:
        with self._db_lock:
            while self._kept:
                self._kept.popitem()[1].dispose()


def _without_waiting_for_the_disk(connection: Any, _: object) -> None:
    # Safe when a process dies; when the machine does, the newest lines of a log may be lost.
    connection.execute("pragma synchronous = normal")
