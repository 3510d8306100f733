"""Runs the compiler under limits and judges how it ended."""

import os
import resource
import signal
import subprocess

# A run that ends otherwise is a bug: 70 is a broken invariant, 73 and 74 are faults of the system.
REFUSED = {65, 66, 69, 75, 77, 78}
SECONDS = 30
MEGABYTES = 512


class Ended:
    """How a run ended: its status (128+n for signal n), what it printed and its peak resident memory."""

    def __init__(self, status, errors, output, megabytes, hung):
        self.status, self.errors, self.output = status, errors, output
        self.megabytes, self.hung = megabytes, hung

    @property
    def summary(self):
        lines = [line for line in self.errors.splitlines() if "error:" in line] or self.errors.splitlines()
        return f"status {self.status}, {self.megabytes} MB{', hung' if self.hung else ''}: {lines[0][:300] if lines else ''}"

    def fault(self, statuses, megabytes=MEGABYTES):
        """Why this is a bug, or None."""
        if self.hung:
            return f"did not end in {SECONDS} s"
        if self.status not in statuses:
            return f"ended with {self.status}"
        if self.megabytes > megabytes:
            return f"took {self.megabytes} MB"
        if self.status not in (0, 1) and "error:" not in self.errors:
            return "gave no error line"
        return None


def run(arguments, cwd, seconds=SECONDS, environment=None, before=None, stdout=True):
    """One process to its end, by descriptor of a file for what it prints, so that no pipe fills."""
    errors_path = os.path.join(cwd, ".errors")
    output_path = os.path.join(cwd, ".output")
    with open(errors_path, "wb") as errors, open(output_path, "wb") as output:
        process = subprocess.Popen(
            arguments, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output if stdout else subprocess.DEVNULL,
            stderr=errors, env=dict(os.environ, LLVM_PROFILE_FILE="/dev/null", **(environment or {})),
            preexec_fn=before)
    hung = False

    def stop(*_):
        nonlocal hung
        hung = True
        process.kill()

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    _, status, usage = os.wait4(process.pid, 0)
    signal.alarm(0)
    process.returncode = status
    code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    with open(errors_path, "rb") as file:
        errors = file.read().decode("utf-8", "replace")
    with open(output_path, "rb") as file:
        output = file.read(1 << 20).decode("utf-8", "replace")
    os.remove(errors_path)
    os.remove(output_path)
    return Ended(code, errors, output, usage.ru_maxrss // 1024, hung)


def limit(kind, value):
    """What a child does before it starts: sets one of its limits."""
    return lambda: resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))
