"""A web application that caches with Flask-Caching. Usage: flask_caching_program.py PORT"""

import sys

from flask import Flask
from flask_caching import Cache

app = Flask(__name__)
app.config.update(
    CACHE_TYPE="RedisCache",
    CACHE_REDIS_HOST="127.0.0.1",
    CACHE_REDIS_PORT=int(sys.argv[1]),
    CACHE_DEFAULT_TIMEOUT=300,
    CACHE_KEY_PREFIX="flask:",
)
cache = Cache(app)
calls = 0


@app.route("/page")
@cache.cached(timeout=50)
def page():
    global calls
    calls += 1
    return f"rendered {calls}"


@cache.memoize(50)
def square(number):
    global calls
    calls += 1
    return number * number


with app.app_context():
    cache.clear()
    client = app.test_client()
    assert client.get("/page").text == "rendered 1"
    assert client.get("/page").text == "rendered 1"
    assert (square(3), square(3), square(4)) == (9, 9, 16)
    assert calls == 3
    cache.delete_memoized(square, 3)
    assert square(3) == 9 and calls == 4
    assert cache.set("a", {"b": [1, 2]}) and cache.get("a") == {"b": [1, 2]}
    assert cache.add("a", 1) is False
    assert cache.set_many({"c": 1, "d": 2}) and cache.get_many("c", "d", "e") == [1, 2, None]
    assert cache.has("c") and cache.delete("c") and not cache.has("c")
    assert cache.delete_many("a", "d")
    cache.clear()
    assert client.get("/page").text == "rendered 5"
print("Flask-Caching: ok")
