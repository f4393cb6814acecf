"""Run commands of charlstm in a Python that has only what Python on Windows has.

    python tests/without_posix.py COMMANDS.json

The file has a list of command lines, each with what standard input has. The names of `os` and `signal`, the modules and
the way to start processes are those that the type stubs of the standard library (typeshed) keep from Windows. Standard
output writes the line ends and the encoding of a console of Windows.
"""

import io
import json
import multiprocessing.context
import os
import selectors  # noqa: F401  # the standard library itself needs what is removed here, when it is imported
import shutil  # noqa: F401
import signal
import socket  # noqa: F401
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
from pathlib import Path

import numpy  # noqa: F401
import tqdm  # noqa: F401

MODULES = ("fcntl", "termios", "readline", "pwd", "grp", "resource", "tty", "pty", "curses", "syslog")
LACKING = """
O_ACCMODE O_ASYNC O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_LARGEFILE O_NDELAY O_NOATIME O_NOCTTY O_NOFOLLOW O_NONBLOCK
O_PATH O_RSYNC O_SYNC O_TMPFILE EX_OK EX_USAGE chown chroot confstr copy_file_range ctermid environb fchdir fchmod
fchown fdatasync fork forkpty fpathconf fstatvfs get_blocking getegid geteuid getgid getgroups getloadavg getpgid
getpgrp getpriority getrandom getsid getuid getxattr initgroups killpg lchown listxattr lockf memfd_create mkfifo
mknod nice openpty pathconf pipe2 posix_fadvise posix_fallocate posix_spawn posix_spawnp pread preadv pwrite pwritev
readv register_at_fork removexattr sched_getaffinity sched_setaffinity sched_yield sendfile set_blocking setegid
seteuid setgid setgroups setpgid setpgrp setpriority setsid setuid setxattr spawnlp spawnvp statvfs sync sysconf
tcgetpgrp tcsetpgrp ttyname uname wait wait3 wait4 waitid writev SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL
SIGPIPE SIGPROF SIGQUIT SIGSTOP SIGSYS SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH
SIGXCPU SIGXFSZ SIG_BLOCK SIG_SETMASK SIG_UNBLOCK alarm getitimer pause pthread_kill pthread_sigmask setitimer
siginterrupt sigpending sigtimedwait sigwait
"""
NAMES = LACKING.split()


def remove() -> None:
    """Remove what Windows lacks."""
    for module in (os, signal):
        for name in NAMES:
            vars(module).pop(name, None)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    multiprocessing.context._concrete_contexts.pop("fork")  # type: ignore[attr-defined]


def main(commands: list[tuple[list[str], str]]) -> None:
    """Run the commands and print the exit code of each on a line of its own."""
    from charlstm.cli.main import main as charlstm

    for words, typed in commands:
        sys.stdin = io.TextIOWrapper(io.BytesIO(typed.encode("cp1252")), "cp1252")
        sys.stdout.reconfigure(encoding="cp1252", newline="\r\n")  # type: ignore[union-attr]
        try:
            charlstm(words, prog_name="charlstm")
        except SystemExit as ended:
            print(f"\n[{ended.code}] {words[0]}", flush=True)


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    remove()
    main(given)
