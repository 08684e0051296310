"""Windows of records: a thread reads ahead, so that reading overlaps scoring and a slow stream is answered at once."""

import threading
from collections import deque
from collections.abc import Generator, Iterable

from foreshot.data.reading.lines import BadRecord, Record

Windows = Generator[list[Record | BadRecord], None, None]
HELD_BYTES = 2**24
"""Of records that are read ahead; a few of them may be very long."""
PATIENCE = 0.5
"""Seconds that a thread is waited for, which may itself wait for a stream's next line."""


def windows(records: Iterable[Record | BadRecord], most: int) -> Windows:
    """What was read since the last window: at least one record, at most `most`, in their order.

    An error in reading is raised when the records before it are through.
    """
    ahead = _ReadAhead(records, 2 * most)
    try:
        while window := ahead.take(most):
            yield window
    finally:
        ahead.stop()


class _ReadAhead:
    """Records that a thread reads, until `most` of them, or too many bytes, wait to be taken."""

    def __init__(self, records: Iterable[Record | BadRecord], most: int) -> None:
        self._records, self._most = records, most
        self._held: deque[Record | BadRecord] = deque()
        self._bytes = 0
        self._finished = self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="foreshot-reader", daemon=True)
        self._thread.start()

    def take(self, most: int) -> list[Record | BadRecord]:
        """As many records as there are, but at most `most`; waits for one; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._finished)
            taken = [self._held.popleft() for _ in range(min(most, len(self._held)))]
            self._bytes -= sum(record.size for record in taken)
            self._changed.notify_all()
        if not taken and self._error:
            raise self._error
        return taken

    def stop(self) -> None:
        """End the thread. One that waits for a stream is left behind; it keeps no program from ending."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(PATIENCE)

    def _read(self) -> None:
        try:
            for record in self._records:
                if not self._hold(record):
                    break
        except BaseException as error:
            self._error = error
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def _hold(self, record: Record | BadRecord) -> bool:
        """Wait for room and hold a record; False where nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or (len(self._held) < self._most and self._bytes < HELD_BYTES))
            if not self._stopped:
                self._held.append(record)
                self._bytes += record.size
                self._changed.notify_all()
            return not self._stopped
