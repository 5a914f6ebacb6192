"""Shopping carts in hashes that expire: threads put goods in at once, and the counts come out exact.

Usage: cart.py PORT [HOST]. Empties the server's database. The time to live of a cart is renewed by every change, as shops do it.
"""

import sys
import threading

import redis

GOODS = ["apple", "bread", "cheese"]
THREADS = 8
ROUNDS = 100


def put(client, cart, goods, count):
    left = client.hincrby(cart, goods, count)
    if left <= 0:
        client.hdel(cart, goods)
    client.expire(cart, 600)
    return left


def main():
    port = int(sys.argv[1])
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    client = redis.Redis(host=host, port=port, decode_responses=True, socket_timeout=10)
    client.flushall()
    failures = []

    def shop():
        try:
            for _ in range(ROUNDS):
                for count, goods in enumerate(GOODS, 1):
                    put(client, "cart:1", goods, count)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=shop, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a shopper hangs"
    assert not failures, failures
    expected = {goods: str(count * ROUNDS * THREADS) for count, goods in enumerate(GOODS, 1)}
    assert client.hgetall("cart:1") == expected
    assert 0 < client.ttl("cart:1") <= 600
    assert put(client, "cart:1", "apple", -ROUNDS * THREADS) == 0
    assert client.hexists("cart:1", "apple") is False
    assert client.hlen("cart:1") == 2
    assert client.hmget("cart:1", GOODS) == [None, expected["bread"], expected["cheese"]]
    assert client.hincrbyfloat("cart:1", "total", 10.5) == 10.5
    assert client.pexpire("cart:1", 0) is True
    assert client.exists("cart:1") == 0
    assert put(client, "cart:1", "bread", 2) == 2
    assert client.hdel("cart:1", "bread") == 1
    assert client.exists("cart:1") == 0, "a hash without fields is gone"
    print(f"cart: {THREADS * ROUNDS * len(GOODS)} concurrent changes, expiry and empty carts passed")


main()
