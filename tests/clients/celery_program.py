"""Celery with one server as broker and result backend: tasks, groups, chains, chords, retries, an ETA and a revoked task, by a worker of threads.

Usage: celery_program.py PORT [HOST]. Empties the server's database.
"""

import os
import signal
import subprocess
import sys
import time

import redis
from common import until

TASKS = 200


def main():
    port = int(sys.argv[1])
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    client = redis.Redis(host=host, port=port, socket_timeout=10)
    client.flushall()
    os.environ["CELERY_TEST_URL"] = f"redis://{host}:{port}/0"
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    from celery import chain, chord, group
    from celery.result import AsyncResult

    import celery_tasks as tasks

    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "ERROR"]
    environment = os.environ | {"PYTHONPATH": here}
    worker = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert tasks.add.delay(1, 2).get(timeout=60) == 3
        results = [tasks.add.delay(number, number) for number in range(TASKS)]
        assert [result.get(timeout=60) for result in results] == [2 * number for number in range(TASKS)]
        assert group(tasks.add.s(number, 1) for number in range(20)).delay().get(timeout=60) == list(range(1, 21))
        assert chain(tasks.add.s(1, 2), tasks.add.s(3), tasks.add.s(4)).delay().get(timeout=60) == 10
        assert chord((tasks.add.s(number, number) for number in range(30)), tasks.total.s()).delay().get(timeout=60) == 870
        failed = tasks.fail.delay()
        try:
            failed.get(timeout=60)
        except ValueError as error:
            assert str(error) == "always fails"
        else:
            raise AssertionError("a failure is a failure")
        assert AsyncResult(failed.id, app=tasks.app).status == "FAILURE"
        assert tasks.at_third.delay().get(timeout=60) == 2
        begun = time.time()
        assert tasks.now.apply_async(countdown=2).get(timeout=60) >= begun + 2
        assert tasks.app.control.ping(timeout=30, limit=1), "the worker hears what is told to all"
        # The word comes before the task's time, even on a slow machine.
        revoked = tasks.add.apply_async((1, 1), countdown=10)
        revoked.revoke()
        until(lambda: AsyncResult(revoked.id, app=tasks.app).status == "REVOKED", 60)
        assert client.llen("celery") == 0
    finally:
        # Its threads end with it; what it started is in its session.
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
    assert client.hlen("unacked") == 0, "every task was acknowledged"
    print(f"celery: {TASKS} tasks, a group, a chain, a chord, failures, retries, an ETA and a revoked task passed")


main()
