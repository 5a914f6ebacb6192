"""Publishing and subscribing through redis-py, over RESP2 and RESP3. Usage: pubsub.py PORT [HOST]."""

import logging
import sys
import threading

import redis
from common import equal, until

PORT = int(sys.argv[1])
HOST = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
# The library writes a line for every message in RESP3.
logging.getLogger("push_response").disabled = True


def message(pubsub, seconds=10):
    """The next message or confirmation, without those that say nothing."""
    got = pubsub.get_message(timeout=seconds)
    assert got is not None, "no message came"
    return got["type"], got["pattern"], got["channel"], got["data"]


def channels_and_patterns(r):
    pubsub = r.pubsub()
    pubsub.subscribe("news", "other")
    pubsub.psubscribe("n*")
    equal([message(pubsub)[0::2] for _ in range(3)], [("subscribe", "news"), ("subscribe", "other"), ("psubscribe", "n*")])
    equal(r.publish("news", "hello"), 2)
    equal(message(pubsub), ("message", None, "news", "hello"))
    equal(message(pubsub), ("pmessage", "n*", "news", "hello"))
    equal(r.publish("none", "x"), 1)
    equal(message(pubsub), ("pmessage", "n*", "none", "x"))
    equal(sorted(r.pubsub_channels()), ["news", "other"])
    equal(r.pubsub_numsub("news", "none"), [("news", 1), ("none", 0)])
    equal(r.pubsub_numpat(), 1)
    equal([client["flags"] for client in r.client_list(_type="pubsub")], ["P"])
    if r.get_connection_kwargs().get("protocol") == 2:
        # The library does not tell this reply from a message in RESP3.
        pubsub.ping("alive")
        equal(message(pubsub)[0::3], ("pong", "alive"))
    pubsub.unsubscribe()
    pubsub.punsubscribe()
    equal(sorted(message(pubsub)[0] for _ in range(3)), ["punsubscribe", "unsubscribe", "unsubscribe"])
    equal(r.publish("news", "nobody"), 0)
    pubsub.close()


def shard_channels(r):
    # The library has no word for them outside of clusters.
    pubsub = r.pubsub()
    pubsub.execute_command("SSUBSCRIBE", "shard")
    equal(pubsub.parse_response(), ["ssubscribe", "shard", 1])
    equal(r.execute_command("SPUBLISH", "shard", "hello"), 1)
    equal(r.publish("shard", "elsewhere"), 0)
    equal(pubsub.parse_response(), ["smessage", "shard", "hello"])
    equal(r.execute_command("PUBSUB", "SHARDCHANNELS"), ["shard"])
    pubsub.close()


def many_threads(r):
    """Listeners in threads of the library, a publisher's pipeline, everything in order."""
    seen = [[] for _ in range(10)]
    pubsubs, threads = [], []
    for number in range(10):
        pubsub = r.pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe(**{"jobs": lambda got, number=number: seen[number].append(int(got["data"]))})
        pubsubs.append(pubsub)
        threads.append(pubsub.run_in_thread(sleep_time=0.05, daemon=True))
    until(lambda: r.pubsub_numsub("jobs") == [("jobs", 10)])
    pipeline = r.pipeline(transaction=False)
    for number in range(500):
        pipeline.publish("jobs", number)
    equal(pipeline.execute(), [10] * 500)
    until(lambda: all(len(numbers) == 500 for numbers in seen))
    for numbers in seen:
        equal(numbers, list(range(500)))
    for thread in threads:
        thread.stop()
        thread.join(10)
        assert not thread.is_alive()
    until(lambda: r.pubsub_numsub("jobs") == [("jobs", 0)])


def publishers_in_threads(r):
    pubsub = r.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("crowd")
    until(lambda: r.pubsub_numsub("crowd") == [("crowd", 1)])

    def publish(name):
        with redis.Redis(host=HOST, port=PORT, decode_responses=True) as own:
            for number in range(100):
                equal(own.publish("crowd", f"{name}:{number}"), 1)

    publishers = [threading.Thread(target=publish, args=(name,)) for name in range(4)]
    for publisher in publishers:
        publisher.start()
    following = [0] * 4
    while sum(following) < 400:
        got = pubsub.get_message(timeout=10)
        if got is not None:
            name, number = map(int, got["data"].split(":"))
            equal(number, following[name])
            following[name] += 1
    for publisher in publishers:
        publisher.join()
    pubsub.close()


for protocol in (2, 3):
    with redis.Redis(host=HOST, port=PORT, protocol=protocol, decode_responses=True, socket_timeout=10) as client:
        for part in (channels_and_patterns, shard_channels, many_threads, publishers_in_threads):
            part(client)
            until(lambda: client.pubsub_channels() == [] and client.pubsub_numpat() == 0)
print("pubsub: channels, patterns, shard channels, threads of listeners and of publishers passed, over RESP2 and RESP3")
