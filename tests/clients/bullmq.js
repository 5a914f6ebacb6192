// BullMQ: the life of jobs in queues by many scripts: workers, delays, retries, priorities, limits, pauses, repetitions, flows. Usage: bullmq.js PORT [HOST].
// Empties the database.
"use strict";
const assert = require("node:assert/strict");
const { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } = require("bullmq");
const Redis = require("ioredis");

const connection = { host: process.argv[3] || "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const WAIT_MS = 20000;
const JOBS = 200;
const opened = [];

function queue(name) {
  const made = new Queue(name, { connection });
  const events = new QueueEvents(name, { connection });
  // Every job that is waited for listens for its queue's end.
  made.setMaxListeners(0);
  opened.push(made, events);
  return [made, events];
}

function worker(name, work, options = {}) {
  const made = new Worker(name, work, { connection, drainDelay: 1, ...options });
  made.on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
  opened.unshift(made);
  return made;
}

async function until(condition, what) {
  for (const deadline = Date.now() + WAIT_MS; !(await condition()); ) {
    assert.ok(Date.now() < deadline, `not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function work() {
  const [jobs, events] = queue("work");
  await events.waitUntilReady();
  const seen = [];
  for (const name of ["one", "two"]) {
    worker(
      "work",
      async (job) => {
        seen.push([name, job.id]);
        await job.updateProgress(50);
        await job.log(`worked by ${name}`);
        return job.data.number ** 2;
      },
      { concurrency: 5 },
    );
  }
  const added = await jobs.addBulk(Array.from({ length: JOBS }, (_, number) => ({ name: "square", data: { number } })));
  const one = await jobs.add("square", { number: JOBS }, { jobId: "own" });
  // An id that is there is not added again.
  assert.equal((await jobs.add("square", { number: -1 }, { jobId: "own" })).id, "own");
  const results = await Promise.all([...added, one].map((job) => job.waitUntilFinished(events, WAIT_MS)));
  assert.deepEqual(results, Array.from({ length: JOBS + 1 }, (_, number) => number ** 2));
  assert.equal(new Set(seen.map(([, id]) => id)).size, JOBS + 1, "each job once");
  assert.equal(seen.length, JOBS + 1);
  const own = await jobs.getJob("own");
  assert.deepEqual([own.returnvalue, own.progress, own.attemptsMade], [JOBS ** 2, 50, 1]);
  assert.match((await jobs.getJobLogs("own")).logs[0], /^worked by (one|two)$/);
  const counts = await jobs.getJobCounts("completed", "failed", "waiting", "active", "delayed");
  assert.deepEqual(counts, { completed: JOBS + 1, failed: 0, waiting: 0, active: 0, delayed: 0, paused: 0 });
  assert.equal((await jobs.clean(0, JOBS, "completed")).length, JOBS);
}

async function delays() {
  const [jobs, events] = queue("delays");
  await events.waitUntilReady();
  const order = [];
  worker("delays", async (job) => {
    order.push(job.name);
    return Date.now();
  });
  const begun = Date.now();
  const late = await jobs.add("late", {}, { delay: 900 });
  const soon = await jobs.add("soon", {}, { delay: 300 });
  const at_once = await jobs.add("at once", {});
  const far = await jobs.add("far", {}, { delay: 3600000 });
  const ends = await Promise.all([late, soon, at_once].map((job) => job.waitUntilFinished(events, WAIT_MS)));
  assert.deepEqual(order, ["at once", "soon", "late"]);
  assert.ok(ends[0] - begun >= 890 && ends[1] - begun >= 290, "not before their time");
  assert.equal(await far.getState(), "delayed");
  await far.promote();
  await far.waitUntilFinished(events, WAIT_MS);
  const moved = await jobs.add("moved", {}, { delay: 3600000 });
  await moved.changeDelay(10);
  await moved.waitUntilFinished(events, WAIT_MS);
  // Repetitions by a scheduler.
  await jobs.upsertJobScheduler("clock", { every: 100 }, { name: "tick" });
  await until(() => order.filter((name) => name === "tick").length >= 3, "three ticks");
  assert.equal(await jobs.removeJobScheduler("clock"), true);
}

async function retries() {
  const [jobs, events] = queue("retries");
  await events.waitUntilReady();
  const instance = worker("retries", async (job) => {
    if (job.name === "hopeless") throw new UnrecoverableError("never mind");
    if (job.attemptsMade < job.data.failures) throw new Error(`failure ${job.attemptsMade + 1}`);
    return job.attemptsMade + 1;
  });
  const third = await jobs.add("third", { failures: 2 }, { attempts: 3, backoff: { type: "fixed", delay: 50 } });
  const growing = await jobs.add("growing", { failures: 2 }, { attempts: 5, backoff: { type: "exponential", delay: 20 } });
  const never = await jobs.add("never", { failures: 9 }, { attempts: 2 });
  const hopeless = await jobs.add("hopeless", {}, { attempts: 9 });
  assert.equal(await third.waitUntilFinished(events, WAIT_MS), 3);
  assert.equal(await growing.waitUntilFinished(events, WAIT_MS), 3);
  await assert.rejects(never.waitUntilFinished(events, WAIT_MS), /failure 2/);
  await assert.rejects(hopeless.waitUntilFinished(events, WAIT_MS), /never mind/);
  const failed = await jobs.getFailed();
  assert.deepEqual(failed.map((job) => job.name).sort(), ["hopeless", "never"]);
  const again = await jobs.getJob(never.id);
  assert.deepEqual([again.attemptsMade, again.failedReason], [2, "failure 2"]);
  await again.updateData({ failures: 0 });
  await again.retry();
  await until(async () => (await again.getState()) === "completed", "a retried job is completed");
  await instance.close();
}

async function order() {
  const [jobs, events] = queue("order");
  await events.waitUntilReady();
  await jobs.pause();
  assert.equal(await jobs.isPaused(), true);
  const done = [];
  let running = 0;
  worker("order", async (job) => {
    assert.equal(++running, 1);
    done.push(job.name);
    running--;
  });
  const added = [];
  for (const [name, options] of [["low", { priority: 10 }], ["high", { priority: 1 }], ["first", {}], ["second", {}], ["last in", { lifo: true }]]) added.push(await jobs.add(name, {}, options));
  // While the queue is paused nothing is taken, however long its worker has waited.
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(done, []);
  await jobs.resume();
  await Promise.all(added.map((job) => job.waitUntilFinished(events, WAIT_MS)));
  assert.deepEqual(done, ["last in", "first", "second", "high", "low"]);
  await jobs.pause();
  await jobs.add("dropped", {});
  await jobs.add("dropped too", {}, { delay: 1000 });
  await jobs.drain(true);
  assert.equal(await jobs.count(), 0);
  await jobs.resume();
}

async function limits() {
  const [jobs, events] = queue("limits");
  await events.waitUntilReady();
  const times = [];
  for (const _ of [0, 1]) worker("limits", async () => times.push(Date.now()), { limiter: { max: 5, duration: 500 }, concurrency: 5 });
  const added = await jobs.addBulk(Array.from({ length: 15 }, () => ({ name: "limited", data: {} })));
  await Promise.all(added.map((job) => job.waitUntilFinished(events, WAIT_MS)));
  assert.equal(times.length, 15);
  // Fifteen at five in half a second are at least two windows.
  assert.ok(Math.max(...times) - Math.min(...times) >= 700, `in ${Math.max(...times) - Math.min(...times)} ms`);
}

async function stalls() {
  const [jobs, events] = queue("stalls");
  await events.waitUntilReady();
  // Somebody takes a job by hand and is never heard of again: its lock expires, and another worker gets the job.
  const dead = new Worker("stalls", null, { connection });
  opened.unshift(dead);
  const job = await jobs.add("stalled", {});
  await until(async () => (await dead.getNextJob("token of the dead", { block: false })) !== undefined, "a job is taken by hand");
  await (await jobs.client).del(`bull:stalls:${job.id}:lock`);
  worker("stalls", async () => "by another", { stalledInterval: 200, maxStalledCount: 3 });
  assert.equal(await job.waitUntilFinished(events, WAIT_MS), "by another");
}

async function flows() {
  const [, events] = queue("parents");
  const [children] = queue("children");
  await events.waitUntilReady();
  const producer = new FlowProducer({ connection });
  opened.push(producer);
  worker("children", async (job) => job.data.number * 10, { concurrency: 3 });
  worker("parents", async (job) => Object.values(await job.getChildrenValues()).reduce((sum, value) => sum + value, job.data.own));
  const tree = await producer.add({
    name: "root",
    queueName: "parents",
    data: { own: 1 },
    children: [
      ...Array.from({ length: 10 }, (_, number) => ({ name: "leaf", queueName: "children", data: { number } })),
      { name: "middle", queueName: "parents", data: { own: 1000 }, children: [{ name: "leaf", queueName: "children", data: { number: 1 } }] },
    ],
  });
  assert.equal(await tree.job.waitUntilFinished(events, WAIT_MS), 1 + 450 + 1010);
  assert.equal(await children.getCompletedCount(), 11);
  assert.deepEqual(await tree.job.getDependenciesCount({ processed: true, unprocessed: true }), { processed: 11, unprocessed: 0 });
}

async function main() {
  const client = new Redis(connection);
  await client.flushall();
  for (const part of [work, delays, retries, order, limits, stalls, flows]) await part();
  for (const one of opened) await one.close();
  const obliterated = new Queue("work", { connection });
  await obliterated.obliterate({ force: true });
  await obliterated.close();
  assert.deepEqual(await client.keys("bull:work:*"), []);
  client.disconnect();
  console.log(`bullmq: ${JOBS + 1} jobs by two workers, delays, retries, order, limits, a dead worker and flows passed`);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
