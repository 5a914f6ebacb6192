"""A web application that caches in memcached with Flask-Caching.

Usage: flask_caching_memcached.py MEMCACHED_PORT [RESP_PORT]
"""

from flask import Flask
from flask_caching import Cache

from common import equal, memcached_address, over_resp, passed, until, within

SERVERS = ["%s:%d" % memcached_address()]
RESP = over_resp()


def application(kind, **options):
    app = Flask(__name__)
    app.config.update(CACHE_TYPE=kind, CACHE_MEMCACHED_SERVERS=SERVERS, CACHE_KEY_PREFIX="flask:", CACHE_DEFAULT_TIMEOUT=300, **options)
    cache = Cache(app)
    calls = []

    @app.route("/page")
    @cache.cached(timeout=50)
    def page():
        calls.append("page")
        return f"rendered {len(calls)}"

    @cache.memoize(50)
    def square(number):
        calls.append(number)
        return number * number

    with app.app_context():
        cache.clear()
        client = app.test_client()
        equal(client.get("/page").text, "rendered 1")
        equal(client.get("/page").text, "rendered 1")
        equal((square(3), square(3), square(4)), (9, 9, 16))
        equal(calls, ["page", 3, 4])
        cache.delete_memoized(square, 3)
        equal((square(3), calls), (9, ["page", 3, 4, 3]))
        cache.delete_memoized(square)
        equal((square(4), calls), (16, ["page", 3, 4, 3, 4]))
        cache.set("a", {"b": [1, 2]})
        equal(cache.get("a"), {"b": [1, 2]})
        cache.clear()
        equal(cache.get("a"), None)
        equal(client.get("/page").text, "rendered 6")
    return app, cache


def plain(kind, **options):
    app, cache = application(kind, **options)
    with app.app_context():
        backend = cache.cache
        equal(bool(cache.set("a", "1")), True)
        equal(bool(cache.add("a", "2")), False)
        equal(cache.get("a"), "1")
        equal(bool(cache.set_many({"c": 1, "d": [2]})), True)
        equal(cache.get_many("c", "d", "e"), [1, [2], None])
        equal(cache.get_dict("c", "e"), {"c": 1, "e": None})
        equal((cache.has("c"), cache.has("e")), (True, False))
        cache.set("n", 10)
        equal((backend.inc("n", 5), backend.dec("n", 6)), (15, 9))
        equal(bool(cache.delete("c")), True)
        equal(bool(cache.delete_many("d", "n")), True)
        equal(cache.get_many("c", "d", "n"), [None, None, None])
        cache.set("short", "1", timeout=1)
        until(lambda: cache.get("short") is None)
        if RESP:
            cache.set("shared", "by Flask", timeout=100)
            equal(RESP.get("flask:shared"), b"by Flask")
            within(RESP.ttl("flask:shared"), 60, 100)
            cache.set("n", 41)
            equal(RESP.incr("flask:n"), 42)
            equal(cache.get("n"), 42)
            RESP.delete("flask:shared")
            equal(cache.get("shared"), None)


def spreading():
    """A value too large for one item, over several."""
    app, cache = application("SpreadSASLMemcachedCache")
    large = bytes(range(256)) * 12_000
    with app.app_context():
        cache.set("large", large)
        equal(cache.get("large"), large)
        cache.delete("large")
        equal(cache.get("large"), None)


plain("MemcachedCache")
plain("SASLMemcachedCache", CACHE_MEMCACHED_USERNAME=None, CACHE_MEMCACHED_PASSWORD=None)
spreading()
passed("Flask-Caching", "MemcachedCache", "SASLMemcachedCache", "SpreadSASLMemcachedCache")
