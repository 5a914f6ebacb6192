"""Transactions and scripts through redis-py: pipelines, WATCH with racing threads, registered scripts, functions, and the library's own lock.

Usage: redis_py_transactions.py PORT [HOST]. Empties the server's database.
"""

import sys
import threading

import redis
from common import equal, refused, until
from redis.exceptions import LockError, LockNotOwnedError, NoScriptError, ResponseError, WatchError

THREADS = 6
ROUNDS = 30


def at_once(work):
    """Runs work(number) on as many threads, and fails when one of them does."""
    failures = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread hangs"
    assert not failures, failures


def pipelines(client):
    with client.pipeline(transaction=True) as pipe:
        pipe.set("a", 1).incr("a").hset("h", mapping={"f": "v", "g": "w"}).hgetall("h").rpush("l", "x", "y").lrange("l", 0, -1)
        pipe.zadd("z", {"m": 1.5}).zrange("z", 0, -1, withscores=True).mset({"b": 1, "c": 2}).mget("a", "b", "c", "none")
        answers = pipe.execute()
    # Rows of pairs are tuples over RESP2 and lists over RESP3.
    answers[7] = [tuple(row) for row in answers[7]]
    equal(answers, [True, 2, 2, {"f": "v", "g": "w"}, 2, ["x", "y"], 1, [("m", 1.5)], True, ["2", "1", "2", None]])
    with client.pipeline(transaction=True) as pipe:
        pipe.set("a", "text").incr("a").set("b", "after the error")
        answers = pipe.execute(raise_on_error=False)
    equal([type(answer) for answer in answers], [bool, ResponseError, bool])
    equal(client.get("b"), "after the error")
    with client.pipeline(transaction=True) as pipe:
        pipe.set("b", "never").execute_command("NOSUCH", "b").set("c", "never")
        refused(ResponseError, pipe.execute, "unknown command", "NOSUCH")
    equal(client.mget("b", "c"), ["after the error", "2"])
    # What is blocking does not wait in a transaction.
    with client.pipeline(transaction=True) as pipe:
        equal(pipe.blpop("empty", 0).rpush("empty", 1).lpop("empty").execute(), [None, 1, "1"])
    many = client.pipeline(transaction=True)
    for number in range(2000):
        many.set(f"many:{number}", number)
    for number in range(2000):
        many.get(f"many:{number}")
    equal(many.execute(), [True] * 2000 + [str(number) for number in range(2000)])


def watching(client, address):
    with client.pipeline() as pipe:
        pipe.watch("watched", "other")
        client.set("other", 1)
        pipe.multi()
        pipe.set("watched", "never")
        refused(WatchError, pipe.execute)
        pipe.watch("watched")
        pipe.unwatch()
        client.set("watched", 1)
        pipe.multi()
        equal(pipe.incr("watched").execute(), [2])
    client.mset({"left": THREADS * ROUNDS, "right": 0})

    def move(_):
        own = redis.Redis(**address)
        for _ in range(ROUNDS):

            def step(pipe):
                left, right = (int(number) for number in pipe.mget("left", "right"))
                pipe.multi()
                pipe.mset({"left": left - 1})
                pipe.set("right", right + 1)

            equal(own.transaction(step, "left", "right"), [True, True])

    at_once(move)
    equal(client.mget("left", "right"), ["0", str(THREADS * ROUNDS)])


def scripts(client):
    add = client.register_script("local n = redis.call('INCRBY', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], n) return {n, 'done', {1.9, false}}")
    equal(add(keys=["sum", "copy"], args=[5]), [5, "done", [1, None]])
    client.script_flush()
    equal(client.script_exists(add.sha), [False])
    equal(add(keys=["sum", "copy"], args=[5]), [10, "done", [1, None]])
    equal(client.script_exists(add.sha), [True])
    equal(client.get("copy"), "10")
    client.script_flush()
    # A pipeline loads what it needs before it runs.
    with client.pipeline(transaction=True) as pipe:
        add(keys=["sum", "copy"], args=[1], client=pipe)
        pipe.get("copy")
        add(keys=["sum", "third"], args=[1], client=pipe)
        equal(pipe.execute(), [[11, "done", [1, None]], "11", [12, "done", [1, None]]])
    equal(client.get("third"), "12")
    refused(NoScriptError, lambda: client.evalsha("f" * 40, 0))
    refused(ResponseError, lambda: client.eval("return redis.call('INCR', KEYS[1])", 1, "h"), "WRONGTYPE")
    refused(ResponseError, lambda: client.eval("return redis.error_reply('MY word')", 0), "MY word")
    equal(client.eval_ro("return redis.call('GET', KEYS[1])", 1, "sum"), "12")
    refused(ResponseError, lambda: client.eval_ro("return redis.call('SET', KEYS[1], 1)", 1, "sum"), "Write commands are not allowed")
    text = "#!lua name=shop\nredis.register_function('take', function(keys, args) return redis.call('DECRBY', keys[1], args[1]) end)"
    equal(client.function_load(text, replace=True), "shop")
    client.set("stock", 10)
    equal(client.fcall("take", 1, "stock", 3), 7)
    (library,) = client.function_list(withcode=True)
    library = library if isinstance(library, dict) else dict(zip(library[::2], library[1::2]))
    equal(library["library_code"], text)
    dump = redis.Redis(**{**client.connection_pool.connection_kwargs, "decode_responses": False}).execute_command("FUNCTION DUMP")
    client.function_delete("shop")
    equal(client.function_list(), [])
    client.function_restore(dump)
    equal(client.fcall("take", 1, "stock", 3), 4)
    client.function_flush()


def locks(client, address):
    first, second = client.lock("lock", timeout=30), client.lock("lock", timeout=30)
    assert first.acquire(blocking=False) and first.locked() and first.owned()
    assert not second.acquire(blocking=False) and not second.owned()
    refused(LockError, second.release)
    assert first.extend(20) and 30 < client.ttl("lock") <= 50
    assert first.reacquire() and 20 < client.ttl("lock") <= 30
    client.set("lock", "stolen")
    refused(LockNotOwnedError, first.release)
    client.delete("lock")
    # One who never gives it back.
    assert client.lock("lock", timeout=0.2).acquire()
    until(lambda: second.acquire(blocking=False))
    second.release()
    client.set("guarded", 0)

    def count(_):
        own = redis.Redis(**address)
        for _ in range(ROUNDS):
            with own.lock("lock", timeout=30, sleep=0.002, blocking_timeout=30):
                own.set("guarded", int(own.get("guarded")) + 1)

    at_once(count)
    equal(client.get("guarded"), str(THREADS * ROUNDS))
    equal(client.exists("lock"), 0)


def main():
    address = {"host": sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1", "port": int(sys.argv[1]), "decode_responses": True, "socket_timeout": 10}
    for protocol in (2, 3):
        client = redis.Redis(**address, protocol=protocol)
        client.flushall()
        client.function_flush()
        pipelines(client)
        watching(client, address)
        scripts(client)
        locks(client, address)
    print(f"redis_py_transactions: pipelines, WATCH, scripts, functions and locks, {THREADS} threads at once, over RESP2 and RESP3, passed")


main()
