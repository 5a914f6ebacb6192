// The commands of torc through ioredis. Usage: node ioredis.js PORT
"use strict";
const assert = require("node:assert/strict");
const Redis = require("ioredis");

async function main() {
  const redis = new Redis({ host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: 1 });
  await redis.flushall();

  assert.equal(await redis.set("a", "1"), "OK");
  assert.equal(await redis.set("a", "2", "EX", 100, "NX"), null);
  assert.equal(await redis.get("a"), "1");
  assert.deepEqual(await redis.getBuffer("a"), Buffer.from("1"));
  assert.equal(await redis.incrby("a", 41), 42);
  assert.equal(await redis.incrbyfloat("a", "0.5"), "42.5");
  assert.equal(await redis.mset("x", "ohmytext", "y", "mynewtext"), "OK");
  assert.deepEqual(await redis.mget("x", "nosuch", "y"), ["ohmytext", null, "mynewtext"]);
  assert.equal(await redis.call("LCS", "x", "y"), "mytext");
  assert.equal(await redis.append("x", "!"), 9);
  assert.equal(await redis.getrange("x", 0, 1), "oh");
  assert.equal(await redis.setbit("bits", 9, 1), 0);
  assert.equal(await redis.bitcount("bits"), 1);
  assert.deepEqual(await redis.bitfield("field", "SET", "u8", "#0", 7, "GET", "u8", "#0"), [0, 7]);
  await assert.rejects(redis.incr("y"), /not an integer/);

  assert.equal(await redis.expire("x", 100), 1);
  assert.ok((await redis.ttl("x")) > 90);
  assert.equal(await redis.persist("x"), 1);
  assert.equal(await redis.rename("x", "z"), "OK");
  assert.equal(await redis.copy("z", "w"), 1);
  assert.equal(await redis.exists("x", "z", "w"), 2);
  assert.equal(await redis.object("ENCODING", "w"), "raw");

  const pipeline = redis.pipeline();
  for (let n = 0; n < 2000; n++) pipeline.set(`p:${n}`, n).get(`p:${n}`);
  const replies = await pipeline.exec();
  replies.forEach(([error, reply], at) => {
    assert.equal(error, null);
    assert.equal(reply, at % 2 === 0 ? "OK" : String((at - 1) / 2));
  });

  const found = new Set();
  for await (const keys of redis.scanStream({ match: "p:*", count: 100 })) keys.forEach((key) => found.add(key));
  assert.equal(found.size, 2000);

  assert.equal(await redis.client("SETNAME", "node"), "OK");
  assert.equal(await redis.client("GETNAME"), "node");
  assert.match(await redis.client("LIST"), /name=node/);
  assert.equal((await redis.config("GET", "maxmemory"))[0], "maxmemory");
  assert.match(await redis.info(), /redis_version:/);

  // Many requests at once over few connections keep their replies apart.
  const others = Array.from({ length: 10 }, () => redis.duplicate());
  await Promise.all(others.map((other) => Promise.all(Array.from({ length: 200 }, () => other.incr("counter")))));
  assert.equal(await redis.get("counter"), "2000");
  for (const other of [...others, redis]) assert.equal(await other.quit(), "OK");
  console.log("ioredis: ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
