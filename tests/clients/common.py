"""What the client programs share: checks, waiting for a condition, and the server's RESP port where it has one."""

import sys
import time

import redis


def short(value):
    text = repr(value)
    return text if len(text) < 400 else f"{text[:200]}...{text[-100:]} ({len(text)} characters)"


def equal(actual, expected):
    assert actual == expected, f"{short(actual)} instead of {short(expected)}"


def within(actual, least, most):
    assert least <= actual <= most, f"{actual!r} is not in {least!r}..{most!r}"


def refused(kind, call, *words):
    """The call raises exactly this kind of error, and its text contains the words."""
    try:
        returned = call()
    except kind as error:
        for word in words:
            assert word in str(error), f"{word!r} is not in {error!r}"
    else:
        raise AssertionError(f"not refused: {short(returned)}")


def until(condition, seconds=10):
    """Waits for what only time brings, such as expiry, and no longer than the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.05)


def memcached_address():
    """The first argument of every program: the memcached port on the loopback interface."""
    return "127.0.0.1", int(sys.argv[1])


def over_resp():
    """A redis-py client of the same data, or None when there is no RESP port, as with memcached itself."""
    return redis.Redis(host="127.0.0.1", port=int(sys.argv[2])) if len(sys.argv) > 2 else None


def passed(library, *parts):
    """The one line a program ends with. The RESP part is named as skipped where there is no RESP port."""
    skipped = "" if len(sys.argv) > 2 else " (skipped: data shared with RESP)"
    print(f"{library}: ok: {', '.join(parts)}{skipped}")
