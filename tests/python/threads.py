"""Calls in a thread of their own."""

import threading


def outcome_in_a_thread(f):
    """The result of f() in another thread, or its exception."""
    outcome = []

    def run():
        try:
            outcome.append(f())
        except BaseException as e:
            outcome.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


def in_a_thread(f):
    """f() in another thread; its exception is raised here."""
    outcome = outcome_in_a_thread(f)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
