"""Events in a stream read by a consumer group: one consumer crashes, XAUTOCLAIM finds what it held, and the events are exactly those sent.

Usage: events.py PORT [HOST]. Empties the server's database.
"""

import sys

import redis

EVENTS = 500


def main():
    port = int(sys.argv[1])
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    client = redis.Redis(host=host, port=port, decode_responses=True, socket_timeout=10)
    client.flushall()
    assert client.xgroup_create("events", "readers", id="0", mkstream=True) is True
    sent = [client.xadd("events", {"number": number}) for number in range(EVENTS)]
    seen = {}

    def take(consumer, count):
        answer = client.xreadgroup("readers", consumer, {"events": ">"}, count=count)
        return answer[0][1] if answer else []

    def finish(entries):
        for identifier, fields in entries:
            assert identifier not in seen, "an event came twice"
            seen[identifier] = fields["number"]
            assert client.xack("events", "readers", identifier) == 1

    held = take("crashes", 70)
    finish(held[:20])
    while entries := take("works", 33):
        finish(entries)
    assert client.xpending("events", "readers") == {
        "pending": 50, "min": sent[20], "max": sent[69], "consumers": [{"name": "crashes", "pending": 50}],
    }
    cursor, rounds = "0-0", 0
    while True:
        cursor, entries, deleted = client.xautoclaim("events", "readers", "works", 0, cursor, count=20)
        assert deleted == []
        finish(entries)
        rounds += 1
        if cursor == "0-0":
            break
        assert rounds < 10, "XAUTOCLAIM does not end"
    assert seen == {identifier: str(number) for number, identifier in enumerate(sent)}
    assert client.xpending("events", "readers")["pending"] == 0
    assert take("works", 10) == []
    assert client.xlen("events") == EVENTS
    assert client.xtrim("events", maxlen=10, approximate=False) == EVENTS - 10
    assert [identifier for identifier, _ in client.xrange("events")] == sent[-10:]
    print(f"events: {EVENTS} events once each, 50 of them after a crash, passed")


main()
