// Two socket.io servers that share rooms through a server's pub/sub (@socket.io/redis-adapter). Usage: socket_io.js PORT [HOST]. Leaves no data.
"use strict";
const assert = require("node:assert/strict");
const { once } = require("node:events");
const http = require("node:http");
const Redis = require("ioredis");
const { Server } = require("socket.io");
const { io } = require("socket.io-client");
const { createAdapter, createShardedAdapter } = require("@socket.io/redis-adapter");

const address = { host: process.argv[3] || "127.0.0.1", port: Number(process.argv[2]), commandTimeout: 10000 };
const within = () => ({ signal: AbortSignal.timeout(10000) });

// Everything of one name that a client is told, and a promise of the first so many.
function collect(socket, name) {
  const seen = [];
  socket.on(name, (...parts) => {
    seen.push(parts);
    collected.emit("one");
  });
  return async (count) => {
    const signal = within();
    while (seen.length < count) await once(collected, "one", signal);
    return seen;
  };
}
const collected = new (require("node:events"))().setMaxListeners(100);

async function until(condition) {
  for (const deadline = Date.now() + 10000; !(await condition()); ) {
    assert.ok(Date.now() < deadline, "not within ten seconds");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function across(make) {
  const redis = [];
  const servers = await Promise.all(
    [0, 1].map(async () => {
      const [publisher, subscriber] = [new Redis(address), new Redis(address)];
      redis.push(publisher, subscriber);
      const listener = http.createServer();
      const server = new Server(listener, { adapter: make(publisher, subscriber), transports: ["websocket"] });
      server.on("connection", (socket) => {
        socket.on("join", (room, done) => Promise.resolve(socket.join(room)).then(() => done()));
        socket.on("say", (room, ...words) => socket.to(room).emit("said", ...words));
        socket.on("ask", (word, done) => done(`${word}!`));
      });
      server.on("told", (word, done) => done(`heard ${word}`));
      listener.listen(0, "127.0.0.1");
      await once(listener, "listening", within());
      return server;
    }),
  );
  const clients = await Promise.all(
    servers.flatMap((server) =>
      [0, 1].map(async () => {
        const socket = io(`http://127.0.0.1:${server.httpServer.address().port}`, { transports: ["websocket"] });
        await once(socket, "connect", within());
        return socket;
      }),
    ),
  );
  const [here, neighbour, there, far] = clients;
  const said = clients.map((client) => collect(client, "said"));
  // Each server has heard of the other when it can count its sockets.
  await until(async () => (await servers[0].fetchSockets()).length === 4 && (await servers[1].fetchSockets()).length === 4);

  servers[0].emit("said", "all", 1, { deep: [true, null] }, Buffer.from([0, 255]));
  for (const heard of said) assert.deepEqual((await heard(1))[0], ["all", 1, { deep: [true, null] }, Buffer.from([0, 255])]);

  // A room with members at both servers; who says something does not hear it.
  for (const client of [here, there]) await client.timeout(10000).emitWithAck("join", "room");
  await until(async () => (await servers[1].in("room").fetchSockets()).length === 2);
  for (let number = 0; number < 100; number++) here.emit("say", "room", number);
  const numbers = (await said[2](101)).slice(1).map(([number]) => number);
  assert.deepEqual(numbers, Array.from({ length: 100 }, (_, number) => number));
  servers[1].to("room").except(there.id).emit("said", "except");
  assert.deepEqual((await said[0](2))[1], ["except"]);

  // The last word to all shows that the others heard nothing of the room.
  servers[1].emit("said", "last");
  for (const [place, count] of [2, 2, 102, 2].entries()) {
    const extra = place === 0 ? 1 : 0;
    const heard = await said[place](count + extra);
    assert.deepEqual(heard[heard.length - 1], ["last"]);
    assert.equal(heard.length, count + extra);
  }

  // Questions to all clients of both servers, and from server to server.
  for (const client of clients) client.on("question", (done) => done(client.id));
  const answers = await servers[0].timeout(10000).emitWithAck("question");
  assert.deepEqual([...answers].sort(), clients.map((client) => client.id).sort());
  assert.deepEqual(await servers[0].serverSideEmitWithAck("told", "word"), ["heard word"]);

  servers[0].in(far.id).socketsJoin("late");
  await until(async () => (await servers[1].in("late").fetchSockets()).some((socket) => socket.id === far.id));
  servers[0].to("late").emit("said", "moved");
  assert.deepEqual((await said[3](3))[2], ["moved"]);
  servers[0].in(far.id).disconnectSockets(true);
  await until(() => far.disconnected);

  for (const client of clients) client.close();
  for (const server of servers) await server.close();
  for (const client of redis) client.disconnect();
}

async function main() {
  await across((publisher, subscriber) => createAdapter(publisher, subscriber));
  await across((publisher, subscriber) => createShardedAdapter(publisher, subscriber));
  console.log("socket_io: rooms over two servers, by channels and by shard channels, passed");
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
