"""Token buckets in Lua: a request takes tokens from its user's bucket and from one that all share, from both or from neither, by the server's clock.

Usage: token_bucket.py PORT [HOST]. Empties the server's database.
"""

import sys
import threading

import redis
from common import until

# KEYS: any number of buckets. ARGV: tokens taken, then capacity and tokens per second of each bucket. Returns whether they were taken, and what is left in each, as text.
TAKE = """
local wanted = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local levels, allowed = {}, 1
for place, key in ipairs(KEYS) do
    local capacity, rate = tonumber(ARGV[2 * place]), tonumber(ARGV[2 * place + 1])
    local state = redis.call('HMGET', key, 'level', 'at')
    local level, at = tonumber(state[1]) or capacity, tonumber(state[2]) or now
    levels[place] = math.min(capacity, level + math.max(0, now - at) * rate)
    if levels[place] < wanted then allowed = 0 end
end
for place, key in ipairs(KEYS) do
    if allowed == 1 then levels[place] = levels[place] - wanted end
    redis.call('HSET', key, 'level', tostring(levels[place]), 'at', string.format('%.6f', now))
    redis.call('EXPIRE', key, 3600)
    levels[place] = tostring(levels[place])
end
return {allowed, levels}
"""
USERS = 8
OF_USER = 10
OF_ALL = 45
TRIES = 20


def main():
    port = int(sys.argv[1])
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    client = redis.Redis(host=host, port=port, decode_responses=True, socket_timeout=10)
    client.flushall()
    taken, failures = [], []
    start = threading.Barrier(USERS)

    def work(user):
        try:
            own = redis.Redis(host=host, port=port, decode_responses=True, socket_timeout=10)
            take = own.register_script(TAKE)
            start.wait(10)
            for _ in range(TRIES):
                # Rates of nothing: what is in the buckets is all there ever is.
                allowed, left = take(keys=[f"bucket:user:{user}", "bucket:all"], args=[1, OF_USER, 0, OF_ALL, 0])
                assert all(float(level) >= 0 for level in left), left
                if allowed:
                    taken.append(user)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(user,), daemon=True) for user in range(USERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread hangs"
    assert not failures, failures
    assert len(taken) == OF_ALL, len(taken)
    assert float(client.hget("bucket:all", "level")) == 0
    for user in range(USERS):
        level = float(client.hget(f"bucket:user:{user}", "level"))
        assert level == OF_USER - taken.count(user), "taken from both or from neither"
        assert 0 < client.ttl(f"bucket:user:{user}") <= 3600
    # Time fills a bucket, and never above what it holds.
    take = client.register_script(TAKE)
    assert take(keys=["bucket:slow"], args=[5, 5, 20]) == [1, ["0"]]
    assert take(keys=["bucket:slow"], args=[5, 5, 20])[0] == 0
    until(lambda: take(keys=["bucket:slow"], args=[5, 5, 20])[0] == 1)
    client.hset("bucket:slow", mapping={"level": 0, "at": 0})
    assert take(keys=["bucket:slow"], args=[0, 5, 20]) == [1, ["5"]]
    print(f"token_bucket: {USERS * TRIES} racing requests, exactly {OF_ALL} let in, passed")


main()
