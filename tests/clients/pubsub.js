// Publishing and subscribing through ioredis. Usage: pubsub.js PORT [HOST].
"use strict";
const assert = require("node:assert/strict");
const { once } = require("node:events");
const Redis = require("ioredis");

const address = { host: process.argv[3] || "127.0.0.1", port: Number(process.argv[2]), commandTimeout: 10000 };

// Everything of one kind that comes, and a promise of the first so many.
function collect(client, event) {
  const seen = [];
  client.on(event, (...parts) => {
    seen.push(parts);
    client.emit("collected");
  });
  return async (count) => {
    const signal = AbortSignal.timeout(10000);
    while (seen.length < count) await once(client, "collected", { signal });
    return seen;
  };
}

async function main() {
  const publisher = new Redis(address);
  const subscriber = new Redis(address);
  const messages = collect(subscriber, "message");
  const matched = collect(subscriber, "pmessage");
  assert.equal(await subscriber.subscribe("news", "other"), 2);
  assert.equal(await subscriber.psubscribe("n*"), 3);
  assert.equal(await publisher.publish("news", "hello"), 2);
  assert.deepEqual(await messages(1), [["news", "hello"]]);
  assert.deepEqual(await matched(1), [["n*", "news", "hello"]]);
  await assert.rejects(subscriber.get("key"), /subscriber mode/);
  assert.deepEqual(await publisher.pubsub("NUMSUB", "news"), ["news", 1]);
  assert.equal(await subscriber.punsubscribe("n*"), 2);

  const bytes = Buffer.from([0, 255, 13, 10]);
  const buffers = collect(subscriber, "messageBuffer");
  assert.equal(await publisher.publish("other", bytes), 1);
  assert.deepEqual(await buffers(1), [[Buffer.from("other"), bytes]]);

  const sharded = new Redis(address);
  const shardMessages = collect(sharded, "smessage");
  assert.equal(await sharded.ssubscribe("shard"), 1);
  assert.equal(await publisher.spublish("shard", "hello"), 1);
  assert.deepEqual(await shardMessages(1), [["shard", "hello"]]);

  // A crowd of subscribers, and a pipeline of messages that all of them receive in order.
  const crowd = Array.from({ length: 20 }, () => new Redis(address));
  const received = crowd.map((client) => collect(client, "message"));
  await Promise.all(crowd.map((client) => client.subscribe("crowd")));
  const pipeline = publisher.pipeline();
  for (let number = 0; number < 300; number++) pipeline.publish("crowd", number);
  assert.deepEqual(await pipeline.exec(), Array(300).fill([null, 20]));
  const expected = Array.from({ length: 300 }, (_, number) => ["crowd", String(number)]);
  for (const of of received) assert.deepEqual(await of(300), expected);

  // Who is cut off subscribes again by itself.
  const subscribed = once(crowd[0], "ready", { signal: AbortSignal.timeout(10000) });
  assert.ok((await publisher.client("KILL", "TYPE", "pubsub")) >= 22);
  await subscribed;
  const deadline = Date.now() + 10000;
  while ((await publisher.publish("crowd", "again")) === 0) assert.ok(Date.now() < deadline, "nobody came back");

  // As a client of its own again after leaving.
  assert.equal(await subscriber.unsubscribe(), 0);
  assert.equal(await subscriber.set("key", "value"), "OK");
  assert.equal(await publisher.del("key"), 1);
  for (const client of [publisher, subscriber, sharded, ...crowd]) client.disconnect();
  console.log("pubsub: channels, patterns, Buffers, shard channels, a crowd and coming back passed");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
