"""Passwords on the memcached port, through the libraries that know them.

Usage: authentication.py PORT USER PASSWORD WHAT..., where WHAT is `text`, `binary` or both: memcached itself has a server for either.
"""

import sys

import bmemcached
import pylibmc
from bmemcached.exceptions import MemcachedException
from flask import Flask
from flask_caching import Cache
from pymemcache.client.base import Client, PooledClient
from pymemcache.exceptions import MemcacheClientError

from common import equal, memcached_address, refused

ADDRESS = memcached_address()
SERVER = "%s:%d" % ADDRESS
USER, PASSWORD = sys.argv[2:4]


def text():
    """The first command is a `set` of any key, whose value is user and password."""
    c = Client(ADDRESS, default_noreply=False, timeout=10, connect_timeout=10)
    for command in ("get a", "mg a v", "version", "mn", "flush_all", "stats"):
        refused(MemcacheClientError, lambda: c.raw_command(command), "unauthenticated")
    for wrong in (f"{USER} wrong", f"nobody {PASSWORD}", f"{USER} {PASSWORD}x", f"{USER} {PASSWORD[:-1]}"):
        refused(MemcacheClientError, lambda: c.set("any", wrong), "authentication failure")
    refused(MemcacheClientError, lambda: c.set("any", "word"), "bad authentication token format")
    # After a wrong one, the right one counts on the same connection.
    refused(MemcacheClientError, lambda: c.set("any", f"{USER} wrong"), "authentication failure")
    equal(c.set("any", f"{USER} {PASSWORD}"), True)
    # It said who is there, and stored nothing; from here on a set is a set.
    equal(c.get("any"), None)
    equal(c.set("any", "1"), True)
    equal(c.get("any"), b"1")
    # One connection's word says nothing about another.
    refused(MemcacheClientError, lambda: Client(ADDRESS, timeout=10).get("any"), "unauthenticated")

    class Authenticated(Client):
        """What an application does that wants it on every connection."""

        def _connect(self):
            super()._connect()
            assert self.set("auth", f"{USER} {PASSWORD}", noreply=False)

    pool = PooledClient(ADDRESS, max_pool_size=4, default_noreply=False)
    pool.client_class = Authenticated
    equal(pool.get("any"), b"1")
    equal(pool.delete("any"), True)


def binary():
    """SASL, with the mechanism PLAIN."""
    c = bmemcached.Client((SERVER,), USER, PASSWORD, socket_timeout=10)
    equal((c.set("a", "1"), c.get("a")), (True, "1"))
    equal(c.get_multi(["a", "nosuch"]), {"a": "1"})
    for user, password in ((USER, "wrong"), ("nobody", PASSWORD), (USER, PASSWORD + "x")):
        other = bmemcached.Client((SERVER,), user, password, socket_timeout=10)
        refused(MemcachedException, lambda: other.set("a", "2"), "Code: 32", "Auth failure.")
    unknown = bmemcached.Client((SERVER,), socket_timeout=10)
    for command in (lambda: unknown.get("a"), lambda: unknown.set("a", "2"), lambda: unknown.delete("a"), lambda: unknown.incr("a", 1)):
        refused(MemcachedException, command, "Code: 32", "Auth failure.")
        unknown.disconnect_all()
    equal(c.get("a"), "1")

    assert pylibmc.support_sasl
    libmemcached = pylibmc.Client([SERVER], binary=True, username=USER, password=PASSWORD)
    equal(libmemcached.set("b", "2"), True)
    equal(libmemcached.get_multi(["b", "nosuch"]), {"b": "2"})
    refused(pylibmc.Error, lambda: pylibmc.Client([SERVER], binary=True, username=USER, password="wrong").set("b", "3"))
    refused(pylibmc.Error, lambda: pylibmc.Client([SERVER], binary=True).set("b", "3"))
    equal(libmemcached.get("b"), "2")

    app = Flask(__name__)
    app.config.update(
        CACHE_TYPE="SASLMemcachedCache",
        CACHE_MEMCACHED_SERVERS=[SERVER],
        CACHE_MEMCACHED_USERNAME=USER,
        CACHE_MEMCACHED_PASSWORD=PASSWORD,
        CACHE_KEY_PREFIX="flask:",
    )
    cache = Cache(app)
    with app.app_context():
        cache.set("c", [3])
        equal(cache.get("c"), [3])
        equal(libmemcached.get("flask:c"), [3])


for kind in sys.argv[4:]:
    {"text": text, "binary": binary}[kind]()
libraries = {"text": "pymemcache", "binary": "python-binary-memcached, pylibmc, Flask-Caching"}
print("authentication: ok:", "; ".join(f"{kind}: {libraries[kind]}" for kind in sys.argv[4:]))
