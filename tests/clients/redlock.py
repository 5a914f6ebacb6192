"""A lock held in a majority of five places (Redlock, https://redis.io/docs/latest/develop/use/patterns/distributed-locks/): the places are five databases of the server.

Usage: redlock.py PORT [HOST]. Empties the server.
"""

import secrets
import sys
import threading
import time

import redis

PLACES = 5
THREADS = 5
ROUNDS = 20
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
EXTEND = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end"


class Redlock:
    def __init__(self, host, port):
        self.places = [redis.Redis(host=host, port=port, db=number, decode_responses=True, socket_timeout=10) for number in range(PLACES)]
        self.releases = [place.register_script(RELEASE) for place in self.places]
        self.extensions = [place.register_script(EXTEND) for place in self.places]

    def try_lock(self, name, ttl_ms):
        """A token, if a majority of the places has it and it is still valid for a while."""
        token, begun = secrets.token_hex(16), time.monotonic()
        held = sum(bool(place.set(name, token, nx=True, px=ttl_ms)) for place in self.places)
        left_ms = ttl_ms - (time.monotonic() - begun) * 1000
        if held > PLACES // 2 and left_ms > ttl_ms / 100 + 2:
            return token
        self.unlock(name, token)
        return None

    def lock(self, name, ttl_ms):
        deadline = time.monotonic() + 60
        while (token := self.try_lock(name, ttl_ms)) is None:
            assert time.monotonic() < deadline, "nobody gives the lock back"
            time.sleep(secrets.randbelow(10) / 1000)
        return token

    def extend(self, name, token, ttl_ms):
        return sum(extend(keys=[name], args=[token, ttl_ms]) for extend in self.extensions) > PLACES // 2

    def unlock(self, name, token):
        return sum(release(keys=[name], args=[token]) for release in self.releases)


def main():
    port = int(sys.argv[1])
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    lock = Redlock(host, port)
    lock.places[0].flushall()
    lock.places[0].script_flush()
    token = lock.lock("resource", 30_000)
    assert [place.get("resource") for place in lock.places] == [token] * PLACES
    assert lock.try_lock("resource", 30_000) is None
    assert lock.unlock("resource", "another's") == 0
    assert lock.extend("resource", token, 60_000) and not lock.extend("resource", "another's", 60_000)
    assert all(30_000 < place.pttl("resource") <= 60_000 for place in lock.places)
    # Two of five places forget: the majority still keeps others out; three, and it is lost.
    for place in lock.places[:2]:
        place.delete("resource")
    assert lock.try_lock("resource", 30_000) is None
    lock.places[2].delete("resource")
    other = lock.try_lock("resource", 30_000)
    assert other and not lock.extend("resource", token, 30_000)
    assert lock.unlock("resource", other) == 3 and lock.unlock("resource", token) == 2
    inside, failures = [], []

    def work():
        try:
            own = Redlock(host, port)
            for _ in range(ROUNDS):
                held = own.lock("resource", 30_000)
                inside.append(held)
                assert inside[-1] == held and len(inside) == 1, "two at once"
                count = int(own.places[0].get("count") or 0)
                own.places[0].set("count", count + 1)
                inside.remove(held)
                assert own.unlock("resource", held) >= PLACES // 2 + 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
        assert not thread.is_alive(), "a thread hangs"
    assert not failures, failures
    assert lock.places[0].get("count") == str(THREADS * ROUNDS)
    assert [place.exists("resource") for place in lock.places] == [0] * PLACES
    print(f"redlock: {PLACES} places, {THREADS * ROUNDS} turns by {THREADS} threads, never two at once, passed")


main()
