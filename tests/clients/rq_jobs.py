"""What the jobs of rq_program.py do; a worker imports it by name."""


def square(number):
    return number * number


def fail():
    raise ValueError("always fails")
