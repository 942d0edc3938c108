// Checks a server with the official JavaScript client: node client.js URL PART. It says which
// steps it has taken, and ends with an error at the first that is not as EventStoreDB has it.
const assert = require("node:assert/strict");
const { randomUUID } = require("node:crypto");
const esdb = require("@eventstore/db-client");

const [url, part] = process.argv.slice(2);
const client = esdb.EventStoreDBClient.connectionString(url);

const proposal = (n) =>
  Array.from({ length: n }, (_, i) =>
    esdb.jsonEvent({ id: randomUUID(), type: "tested", data: { number: i }, metadata: { by: "npm" } }));
const append = (stream, expectedRevision, events) => client.appendToStream(stream, events, { expectedRevision });
const read = async (stream, options) => {
  const events = [];
  for await (const { event } of client.readStream(stream, options)) events.push(event);
  return events;
};
const revisions = (events) => events.map((e) => Number(e.revision));

// next returns the first n events of a subscription, and then runs `then`, and so on.
const follow = async (subscription, steps) => {
  const iterator = subscription[Symbol.asyncIterator]();
  const seen = [];
  for (const { events, then } of steps) {
    while (seen.length < events) seen.push((await iterator.next()).value.event);
    if (then) await then();
  }
  await subscription.unsubscribe();
  return seen;
};

const steps = {
  async appendAndRead() {
    const events = proposal(3);
    const first = await append("s", esdb.NO_STREAM, events);
    assert.equal(first.success, true);
    assert.equal(first.nextExpectedRevision, 2n);
    assert.ok(first.position.commit > 0n && first.position.commit === first.position.prepare);
    const all = await read("s");
    assert.deepEqual(all.map((e) => [e.id, e.type, e.data, e.metadata]), events.map((e) => [e.id, e.type, e.data, e.metadata]));
    assert.equal(all[2].position.commit, first.position.commit);
    assert.ok(Math.abs(Date.now() - all[0].created.getTime()) < 3600e3);
    assert.deepEqual(revisions(await read("s", { direction: esdb.BACKWARDS, fromRevision: esdb.END, maxCount: 2 })), [2, 1]);
    assert.deepEqual(revisions(await read("s", { fromRevision: 1n })), [1, 2]);
    await assert.rejects(read("none"), esdb.StreamNotFoundError);
    // The same again is answered as the first time, and a part of it is a conflict.
    const again = await append("s", esdb.NO_STREAM, events);
    assert.deepEqual([again.nextExpectedRevision, again.position], [first.nextExpectedRevision, first.position]);
    await assert.rejects(append("s", esdb.NO_STREAM, [events[0], ...proposal(1)]), esdb.WrongExpectedVersionError);
    assert.equal((await read("s")).length, 3);
  },

  async conflicts() {
    await assert.rejects(append("c", 0n, proposal(1)), esdb.WrongExpectedVersionError);
    await assert.rejects(append("c", esdb.STREAM_EXISTS, proposal(1)), esdb.WrongExpectedVersionError);
    await append("c", esdb.ANY, proposal(2));
    await assert.rejects(append("c", 0n, proposal(1)), (e) => {
      assert.ok(e instanceof esdb.WrongExpectedVersionError);
      assert.equal(e.streamName, "c");
      assert.equal(BigInt(e.expectedVersion), 0n);
      assert.equal(BigInt(e.actualVersion), 1n);
      return true;
    });
    assert.equal((await append("c", 1n, proposal(1))).nextExpectedRevision, 2n);
    assert.equal((await append("c", esdb.STREAM_EXISTS, proposal(1))).nextExpectedRevision, 3n);
  },

  async tooLarge() {
    const large = esdb.binaryEvent({ type: "large", data: new Uint8Array(1 << 20) });
    await assert.rejects(append("l", esdb.NO_STREAM, [large]), (e) => {
      assert.ok(e instanceof esdb.MaxAppendSizeExceededError, String(e));
      assert.equal(Number(e.maxAppendSize), 1 << 20);
      return true;
    });
    await assert.rejects(read("l"), esdb.StreamNotFoundError);
  },

  async subscriptions() {
    await append("f", esdb.NO_STREAM, proposal(3));
    const more = () => append("f", esdb.ANY, proposal(1));
    const stream = await follow(client.subscribeToStream("f"), [{ events: 3, then: more }, { events: 4 }]);
    assert.deepEqual(revisions(stream), [0, 1, 2, 3]);
    const later = await follow(client.subscribeToStream("f", { fromRevision: 2n }), [{ events: 1, then: more }, { events: 2 }]);
    assert.deepEqual(revisions(later), [3, 4]);
    const all = await follow(client.subscribeToAll({ fromPosition: stream[1].position }), [{ events: 3, then: more }, { events: 4 }]);
    assert.deepEqual(revisions(all), [2, 3, 4, 5]);
    const filtered = await follow(
      client.subscribeToAll({ filter: esdb.streamNameFilter({ prefixes: ["f"] }) }), [{ events: 6 }]);
    assert.deepEqual(revisions(filtered), [0, 1, 2, 3, 4, 5]);
    const last = [];
    for await (const { event } of client.readAll({ direction: esdb.BACKWARDS, fromPosition: esdb.END, maxCount: 2 })) last.push(event);
    assert.deepEqual(revisions(last), [5, 4]);
  },

  async deletes() {
    await append("d", esdb.NO_STREAM, proposal(3));
    await assert.rejects(client.deleteStream("d", { expectedRevision: 1n }), esdb.WrongExpectedVersionError);
    await client.deleteStream("d", { expectedRevision: 2n });
    await assert.rejects(read("d"), esdb.StreamNotFoundError);
    assert.equal((await append("d", esdb.NO_STREAM, proposal(1))).nextExpectedRevision, 3n);
    assert.deepEqual(revisions(await read("d")), [3]);
    await client.tombstoneStream("d", { expectedRevision: esdb.ANY });
    await assert.rejects(read("d"), esdb.StreamDeletedError);
    await assert.rejects(append("d", esdb.ANY, proposal(1)), esdb.StreamDeletedError);
  },

  async metadata() {
    await append("m", esdb.NO_STREAM, proposal(4));
    assert.equal((await client.getStreamMetadata("m")).metadata, undefined);
    await client.setStreamMetadata("m", { maxCount: 2 });
    assert.equal((await client.getStreamMetadata("m")).metadata.maxCount, 2);
    assert.deepEqual(revisions(await read("m")), [2, 3]);
  },
};

// notLeader is for a server that says so once: the client tells where the leader is, and asks it
// the next time.
const notLeader = async () => {
  await assert.rejects(append("n", esdb.NO_STREAM, proposal(1)), (e) => {
    assert.ok(e instanceof esdb.NotLeaderError, String(e));
    assert.equal(e.leader.address, "127.0.0.1");
    assert.ok(e.leader.port > 0);
    return true;
  });
  assert.equal((await append("n", esdb.NO_STREAM, proposal(1))).nextExpectedRevision, 0n);
};

(async () => {
  for (const [name, step] of Object.entries(part === "notLeader" ? { notLeader } : steps)) {
    await step();
    console.log("step", name);
  }
  await client.dispose();
})().then(() => process.exit(0), (e) => {
  console.error(e);
  process.exit(1);
});
