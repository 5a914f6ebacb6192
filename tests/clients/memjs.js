// memcached's binary commands through MemJS. Usage: node memjs.js MEMCACHED_PORT [RESP_PORT]
// With the environment's MEMCACHE_USERNAME and MEMCACHE_PASSWORD the server is one that asks for them.
"use strict";
const assert = require("node:assert/strict");
const Redis = require("ioredis");
const { Client } = require("memjs");

const server = `127.0.0.1:${process.argv[2]}`;
const quiet = { log() {} };
const options = { timeout: 10, logger: quiet, retries: 1 };

async function commands(client) {
  assert.deepEqual(await client.flush(), { [server]: true });
  assert.equal(await client.set("a", "1", { expires: 100 }), true);
  const read = await client.get("a");
  assert.deepEqual([read.value, read.flags], [Buffer.from("1"), Buffer.alloc(4)]);
  assert.deepEqual(await client.get("nosuch"), { value: null, flags: null });
  assert.equal(await client.add("a", "2", {}), false);
  assert.equal(await client.add("b", "2", { expires: 100 }), true);
  assert.equal(await client.replace("a", "3", {}), true);
  assert.equal(await client.replace("nosuch", "3", {}), false);
  assert.equal(await client.append("a", "4"), true);
  // MemJS sends an append for a prepend.
  assert.equal(await client.prepend("a", "5"), true);
  assert.equal((await client.get("a")).value.toString(), "345");
  await assert.rejects(client.append("nosuch", "4"), /Item not stored/);
  assert.deepEqual(await client.increment("n", 5, { initial: 10 }), { success: true, value: 10 });
  assert.deepEqual(await client.increment("n", 5, {}), { success: true, value: 15 });
  assert.deepEqual(await client.decrement("n", 6, {}), { success: true, value: 9 });
  assert.deepEqual(await client.decrement("n", 100, {}), { success: true, value: 0 });
  await assert.rejects(client.set("text", "abc", {}).then(() => client.increment("text", 1, {})), /non-numeric/);
  assert.equal(await client.touch("a", 1000), true);
  assert.equal(await client.touch("nosuch", 1000), false);
  assert.equal(await client.delete("a"), true);
  assert.equal(await client.delete("a"), false);

  const binary = Buffer.alloc(900000, Buffer.from([0, 255, 13, 10]));
  assert.equal(await client.set("binary", binary, {}), true);
  assert.ok((await client.get("binary")).value.equals(binary));
  await assert.rejects(client.set("binary", Buffer.alloc(1100000), {}), /Value too large/);
  assert.equal((await client.get("binary")).value, null);

  // Everything at once over one connection: the replies find their requests.
  await Promise.all(Array.from({ length: 1000 }, (_, n) => client.set(`m:${n}`, String(n), {})));
  const values = await Promise.all(Array.from({ length: 1000 }, (_, n) => client.get(`m:${n}`)));
  values.forEach(({ value }, n) => assert.equal(value.toString(), String(n)));

  await client.set("short", "1", { expires: 1 });
  const deadline = Date.now() + 10000;
  while ((await client.get("short")).value !== null) {
    assert.ok(Date.now() < deadline, "does not expire");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  const stats = await new Promise((resolve, reject) => client.stats((error, _, found) => (error ? reject(error) : resolve(found))));
  for (const name of ["pid", "uptime", "version", "curr_items", "cmd_get", "limit_maxbytes"]) assert.ok(name in stats, name);
  const settings = await new Promise((resolve, reject) =>
    client.statsWithKey("settings", (error, _, found) => (error ? reject(error) : resolve(found))),
  );
  assert.equal(settings.item_size_max, "1048576");
  await new Promise((resolve, reject) => client.resetStats((error) => (error ? reject(error) : resolve())));
}

async function sharedWithResp(client, redis) {
  await redis.flushall();
  await client.set("k", "by MemJS", { expires: 100 });
  assert.equal(await redis.get("k"), "by MemJS");
  assert.ok((await redis.ttl("k")) > 90);
  await redis.set("k", "by ioredis");
  const read = await client.get("k");
  assert.deepEqual([read.value.toString(), read.flags], ["by ioredis", Buffer.alloc(4)]);
  await client.increment("n", 1, { initial: 41 });
  assert.equal(await redis.incr("n"), 42);
  assert.equal((await client.increment("n", 8, {})).value, 50);
  assert.equal(await redis.del("k"), 1);
  assert.equal((await client.get("k")).value, null);
  assert.equal(await client.delete("n"), true);
  assert.equal(await redis.exists("n"), 0);
  await client.set("k", "1", {});
  await client.flush();
  assert.equal(await redis.dbsize(), 0);
}

async function main() {
  const client = Client.create(server, options);
  await commands(client);
  const asked = process.env.MEMCACHE_PASSWORD !== undefined;
  if (asked) {
    const other = Client.create(server, { ...options, password: "wrong", username: process.env.MEMCACHE_USERNAME });
    await assert.rejects(other.set("a", "1", {}), /authentication failed/);
    other.close();
  }
  let skipped = " (skipped: data shared with RESP)";
  if (process.argv[3] !== undefined) {
    const redis = new Redis({ host: "127.0.0.1", port: Number(process.argv[3]), maxRetriesPerRequest: 1 });
    await sharedWithResp(client, redis);
    await redis.quit();
    skipped = "";
  }
  // The connection ends with the reply, and the program with the connection.
  client.quit();
  console.log(`MemJS: ok: all methods, a thousand at once${asked ? ", authenticated" : ""}${skipped}`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
