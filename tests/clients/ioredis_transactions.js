// Transactions and scripts through ioredis: multi in both forms, WATCH, defineCommand, functions. Usage: ioredis_transactions.js PORT [HOST]. Empties the database.
"use strict";
const assert = require("node:assert/strict");
const Redis = require("ioredis");

const address = { host: process.argv[3] || "127.0.0.1", port: Number(process.argv[2]), commandTimeout: 10000 };
const CLIENTS = 5;
const ROUNDS = 15;

async function transactions(client) {
  assert.deepEqual(await client.multi().set("a", "1").incr("a").hset("h", { f: "v" }).hgetall("h").mget("a", "none").exec(), [
    [null, "OK"],
    [null, 2],
    [null, 1],
    [null, { f: "v" }],
    [null, ["2", null]],
  ]);
  const [first, second, third] = await client.multi().set("a", "text").incr("a").get("a").exec();
  assert.deepEqual([first, third], [[null, "OK"], [null, "text"]]);
  assert.match(second[0].message, /not an integer/);
  // Refused while it was queued: nothing is done.
  await assert.rejects(client.multi().set("a", "never").call("SET", "a").exec(), /EXECABORT/);
  assert.equal(await client.get("a"), "text");
  // Not as one pipeline: each command is answered as it is queued.
  const own = client.duplicate();
  assert.equal(await own.multi({ pipeline: false }), "OK");
  assert.equal(await own.set("b", "queued"), "QUEUED");
  assert.equal(await client.get("b"), null);
  assert.deepEqual(await own.exec(), [[null, "OK"]]);
  assert.equal(await own.multi({ pipeline: false }), "OK");
  assert.equal(await own.set("b", "never"), "QUEUED");
  assert.equal(await own.discard(), "OK");
  assert.equal(await client.get("b"), "queued");
  own.disconnect();
  const buffers = await client.multi().getBuffer("b").exec();
  assert.deepEqual(buffers, [[null, Buffer.from("queued")]]);
}

async function watching(client) {
  const own = client.duplicate();
  await own.watch("a", "b");
  await client.set("b", "changed");
  assert.equal(await own.multi().set("a", "never").exec(), null);
  assert.deepEqual(await own.multi().set("a", "now").exec(), [[null, "OK"]]);
  own.disconnect();
  await client.mset({ left: CLIENTS * ROUNDS, right: 0 });
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const mine = client.duplicate();
      for (let done = 0; done < ROUNDS; ) {
        await mine.watch("left", "right");
        const [left, right] = await mine.mget("left", "right");
        const answer = await mine.multi().set("left", Number(left) - 1).set("right", Number(right) + 1).exec();
        if (answer !== null) done++;
      }
      mine.disconnect();
    }),
  );
  assert.deepEqual(await client.mget("left", "right"), ["0", String(CLIENTS * ROUNDS)]);
}

async function scripts(client) {
  client.defineCommand("swap", {
    numberOfKeys: 2,
    lua: "local a, b = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]) redis.call('MSET', KEYS[1], b, KEYS[2], a) return {a, b, ARGV[1]}",
  });
  await client.mset("x", "1", "y", "2");
  await client.script("FLUSH");
  assert.deepEqual(await client.swap("x", "y", "word"), ["1", "2", "word"]);
  assert.deepEqual(await client.mget("x", "y"), ["2", "1"]);
  assert.deepEqual(await client.swapBuffer("x", "y", Buffer.from([0, 255])), [Buffer.from("2"), Buffer.from("1"), Buffer.from([0, 255])]);
  // In a pipeline and in a transaction.
  assert.deepEqual(await client.pipeline().swap("x", "y", "p").get("x").exec(), [[null, ["1", "2", "p"]], [null, "2"]]);
  assert.deepEqual(await client.multi().swap("x", "y", "m").get("x").exec(), [[null, ["2", "1", "m"]], [null, "1"]]);
  client.defineCommand("many", { lua: "return {#KEYS, redis.sha1hex(''), cjson.encode({KEYS[1], tonumber(ARGV[1])})}" });
  assert.deepEqual(await client.many(2, "x", "y", 1.5), [2, "da39a3ee5e6b4b0d3255bfef95601890afd80709", '["x",1.5]']);
  client.defineCommand("fails", { numberOfKeys: 1, lua: "return redis.call('LPUSH', KEYS[1], 'element')" });
  await assert.rejects(client.fails("x"), /WRONGTYPE/);
  client.defineCommand("looks", { numberOfKeys: 1, readOnly: true, lua: "return redis.call('STRLEN', KEYS[1])" });
  assert.equal(await client.looks("x"), 1);
  // Many clients at once, each swapping pairs of keys that lie anywhere: nothing is lost and nothing is there twice.
  const names = Array.from({ length: 10 }, (_, number) => `name:${number}`);
  await client.mset(names.flatMap((name) => [name, name]));
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, number) => {
      const mine = new Redis(address);
      mine.defineCommand("swap", { numberOfKeys: 2, lua: "local a, b = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]) redis.call('MSET', KEYS[1], b, KEYS[2], a)" });
      for (let round = 0; round < ROUNDS; round++) {
        const one = (round * 7 + number) % names.length;
        await mine.swap(names[one], names[(one + 1 + (round % (names.length - 1))) % names.length]);
      }
      mine.disconnect();
    }),
  );
  assert.deepEqual((await client.mget(names)).sort(), names);
  await client.function("LOAD", "REPLACE", "#!lua name=words\nredis.register_function{function_name='echo', callback=function(keys, args) return {keys, args} end, flags={'no-writes'}}");
  assert.deepEqual(await client.fcall("echo", 1, "k", "a"), [["k"], ["a"]]);
  assert.deepEqual(await client.fcall_ro("echo", 0, "a"), [[], ["a"]]);
  assert.equal(await client.function("FLUSH"), "OK");
}

async function main() {
  const client = new Redis(address);
  await client.flushall();
  await transactions(client);
  await watching(client);
  await scripts(client);
  client.disconnect();
  console.log(`ioredis_transactions: multi, WATCH, defineCommand and functions, ${CLIENTS} clients at once, passed`);
}

main().then(
  // The library's timers of commands that were refused go on for ten seconds.
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
