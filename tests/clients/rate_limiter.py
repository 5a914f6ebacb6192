"""Rate limiters under many threads: a fixed window of INCR and EXPIRE, a sliding window in a sorted set; never more than allowed.

Usage: rate_limiter.py PORT [HOST]. Empties the server's database. The sliding window takes its place first and gives it back when its rank is
too high, so it needs neither transactions nor scripts.
"""

import sys
import threading

import redis

ALLOWED = 50
THREADS = 16
TRIES = 25


def fixed(client, key):
    count = client.incr(key)
    if count == 1:
        client.expire(key, 60)
    return count <= ALLOWED


def sliding(client, key, name, now_ms, window_ms=60_000):
    client.zremrangebyscore(key, "-inf", now_ms - window_ms)
    # A name never comes twice. Only who finds at most ALLOWED members after adding is let in, and who is let in stays a member.
    client.zadd(key, {name: now_ms})
    if client.zcard(key) <= ALLOWED:
        return True
    client.zrem(key, name)
    return False


def race(attempt):
    admitted, failures = [], []
    start = threading.Barrier(THREADS)

    def work(thread):
        try:
            start.wait(10)
            for number in range(TRIES):
                if attempt(f"{thread}:{number}"):
                    admitted.append((thread, number))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(thread,), daemon=True) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a thread hangs"
    assert not failures, failures
    return len(admitted)


def main():
    port = int(sys.argv[1])
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    client = redis.Redis(host=host, port=port, decode_responses=True, socket_timeout=10)
    client.flushall()
    assert race(lambda _: fixed(client, "fixed")) == ALLOWED
    assert client.get("fixed") == str(THREADS * TRIES)
    assert 0 < client.ttl("fixed") <= 60
    client.pexpire("fixed", 0)
    assert fixed(client, "fixed"), "a new window"
    admitted = race(lambda name: sliding(client, "sliding", name, 1_000_000))
    # Two that come together for the last place may both give it back: fewer in the race, never more.
    assert 0 < admitted <= ALLOWED, admitted
    assert client.zcard("sliding") == admitted
    for number in range(ALLOWED - admitted):
        assert sliding(client, "sliding", f"late:{number}", 1_000_001)
    assert not sliding(client, "sliding", "too many", 1_000_002)
    assert client.zcard("sliding") == ALLOWED
    assert sliding(client, "sliding", "next window", 1_060_002)
    assert client.zcard("sliding") == 1
    print(f"rate_limiter: {2 * THREADS * TRIES} racing requests, never more than {ALLOWED} let in, passed")


main()
