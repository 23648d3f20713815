"""One supervisor per data folder, held by a file lock that the kernel drops when we die."""

import fcntl
from pathlib import Path
from typing import TextIO

from tenure.stack.errors import DataFolderBusyError


class DataFolderLock:
    """An exclusive lock on a folder; survives neither `release` nor the death of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: TextIO | None = None

    def acquire(self) -> None:
        """Take the lock, creating the folder; twice is fine. Raises `DataFolderBusyError`."""
        if self._file is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        file = (self._folder / "lock").open("a", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise DataFolderBusyError(
                f"another process uses the data folder {self._folder}"
            ) from None
        self._file = file

    def release(self) -> None:
        """Give the lock back; releasing what is not held is fine."""
        if self._file is not None:
            self._file.close()
            self._file = None
