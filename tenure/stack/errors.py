"""What can go wrong when the stack starts. Each message is for the person at the terminal."""


class StackError(RuntimeError):
    """A part of the no-Docker stack could not do what it was asked."""


class ProcessFailedError(StackError):
    """A child process did not start, failed, or did not become ready in time."""


class DataFolderBusyError(StackError):
    """Another process of this machine runs on the same data folder."""


class NoFreePortError(StackError):
    """No free TCP port was found on loopback."""


class MissingProgramError(StackError):
    """A program or package that this part needs is not installed; the message says which."""
