"""What went wrong, in a sentence for people."""

from __future__ import annotations

from chainrule.errors import ChainruleError


def error_message(error: Exception) -> str:
    """Return what an exception means to the user, as one line.

    >>> error_message(FileNotFoundError(2, "No such file or directory", "new.csv"))
    'new.csv: No such file or directory.'
    """
    text = " ".join(str(error).split())
    if isinstance(error, ChainruleError):
        return text
    if isinstance(error, ImportError) and error.name:
        return f"The command needs {error.name}: pip install 'chainrule[cli]'."
    if isinstance(error, MemoryError):
        return "There is not enough memory for this table; leave out columns or rows."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    return (
        f"This is a bug in chainrule ({type(error).__name__}: {text}). Set the environment "
        "variable CHAINRULE_TRACEBACK=1, run the command again, and report what it prints."
    )
