"""RQ: two workers in processes of their own empty a queue of 200 jobs; results, failures and retries are exact.

Usage: rq_program.py PORT [HOST]. Empties the server's database.
"""

import os
import subprocess
import sys

import redis
from rq import Queue, Retry
from rq.job import Job

JOBS = 200


def main():
    port = int(sys.argv[1])
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    client = redis.Redis(host=host, port=port, socket_timeout=10)
    client.flushall()
    queue = Queue("work", connection=client)
    jobs = [queue.enqueue("rq_jobs.square", number) for number in range(JOBS)]
    failing = queue.enqueue("rq_jobs.fail")
    retried = queue.enqueue("rq_jobs.fail", retry=Retry(max=2))
    assert queue.count == JOBS + 2
    command = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--quiet", "--worker-class", "rq.SimpleWorker"]
    command += ["--url", f"redis://{host}:{port}", "work"]
    environment = os.environ | {"PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}
    workers = [subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)]
    try:
        for worker in workers:
            assert worker.wait(60) == 0
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
    assert queue.count == 0
    for number, job in enumerate(jobs):
        job.refresh()
        assert job.get_status() == "finished", job.get_status()
        assert job.return_value() == number * number
    assert set(queue.failed_job_registry.get_job_ids()) == {failing.id, retried.id}
    assert queue.finished_job_registry.count == JOBS
    again = Job.fetch(retried.id, connection=client)
    assert again.retries_left == 0
    assert "always fails" in again.latest_result().exc_string
    print(f"rq: {JOBS} jobs by two workers, failures and retries passed")


main()
