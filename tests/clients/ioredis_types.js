// Redis' data types through ioredis: pipelines, Buffers, scan streams, a consumer group. Usage: ioredis_types.js PORT [HOST]. Empties the database.
"use strict";
const assert = require("node:assert/strict");
const Redis = require("ioredis");

async function collect(stream) {
  const all = [];
  for await (const part of stream) all.push(...part);
  return [...new Set(all)].sort();
}

async function main() {
  const client = new Redis({ host: process.argv[3] || "127.0.0.1", port: Number(process.argv[2]), commandTimeout: 10000 });
  await client.flushall();
  const answers = await client.pipeline().hset("h", "a", "1").rpush("l", "x", "y").sadd("s", "m").zadd("z", 2, "n").exec();
  assert.deepEqual(answers, [[null, 1], [null, 2], [null, 1], [null, 1]]);
  assert.deepEqual(await collect(client.scanStream()), ["h", "l", "s", "z"]);
  assert.deepEqual(await collect(client.hscanStream("h")), ["1", "a"]);
  assert.deepEqual(await collect(client.sscanStream("s")), ["m"]);
  assert.deepEqual(await collect(client.zscanStream("z")), ["2", "n"]);
  const bytes = Buffer.from([0, 255, 13, 10]);
  await client.hset("h", "bytes", bytes);
  assert.deepEqual(await client.hgetBuffer("h", "bytes"), bytes);
  await client.xgroup("CREATE", "events", "group", "0", "MKSTREAM");
  const sent = [];
  for (let number = 0; number < 30; number++) sent.push(await client.xadd("events", "*", "number", number));
  const read = [];
  for (const consumer of ["one", "two", "three"]) {
    const [[, entries]] = await client.xreadgroup("GROUP", "group", consumer, "COUNT", 10, "STREAMS", "events", ">");
    read.push(...entries.map(([identifier]) => identifier));
  }
  assert.deepEqual(read, sent);
  assert.equal(await client.xack("events", "group", ...sent), 30);
  assert.equal(await client.blpop("none", 0.05), null);
  client.disconnect();
  console.log("ioredis_types: pipelines, Buffers, scan streams and a consumer group passed");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
