"""The Celery application of celery_program.py: its worker imports it by name. CELERY_TEST_URL is the server's address, for broker and results alike."""

import os
import time

from celery import Celery

app = Celery("celery_tasks", broker=os.environ["CELERY_TEST_URL"], backend=os.environ["CELERY_TEST_URL"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=300,
    task_acks_late=True,
    task_track_started=True,
    worker_prefetch_multiplier=1,
)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail():
    raise ValueError("always fails")


@app.task(bind=True, max_retries=3)
def at_third(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


@app.task
def now():
    return time.time()
