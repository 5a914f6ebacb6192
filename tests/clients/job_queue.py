"""A reliable queue: BLMOVE to a processing list for each worker; a worker dies with a job in hand, and no job is lost or done twice.

Usage: job_queue.py PORT [HOST]. Empties the server's database.
"""

import sys
import threading

import redis

JOBS = 300
WORKERS = 4


def main():
    port = int(sys.argv[1])
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    client = redis.Redis(host=host, port=port, decode_responses=True, socket_timeout=10)
    client.flushall()
    failures = []

    def work(name):
        try:
            while (job := client.blmove("jobs", f"processing:{name}", 5, "RIGHT", "LEFT")) != "stop":
                assert job is not None, "no job within five seconds"
                client.hincrby("done", job, 1)
                assert client.lrem(f"processing:{name}", 1, job) == 1
            assert client.lrem(f"processing:{name}", 1, "stop") == 1
        except Exception as error:
            failures.append(error)

    client.lpush("jobs", "first")
    assert client.blmove("jobs", "processing:dead", 5, "RIGHT", "LEFT") == "first"
    # This worker dies here: its job stays in its processing list until somebody puts it back.
    assert client.lrange("processing:dead", 0, -1) == ["first"]
    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in range(WORKERS)]
    for thread in threads:
        thread.start()
    for job in range(JOBS):
        client.lpush("jobs", f"job:{job}")
    assert client.lmove("processing:dead", "jobs", "RIGHT", "LEFT") == "first"
    for _ in range(WORKERS):
        client.lpush("jobs", "stop")
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a worker hangs"
    assert not failures, failures
    assert client.hgetall("done") == {"first": "1"} | {f"job:{job}": "1" for job in range(JOBS)}
    assert client.keys("*") == ["done"]
    assert client.blmove("jobs", "nowhere", 0.05, "RIGHT", "LEFT") is None
    print(f"job_queue: {JOBS + 1} jobs once each, one of them of a dead worker, passed")


main()
