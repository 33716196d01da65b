// The broker that other tests use: what it keeps, and what happens to it when a test says so.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Broker, skip } from '../support/kafka.mjs';
import { run } from '../support/vidpipeline.mjs';

const options = { skip, timeout: 300_000 };

/** Whether it answers a client within two seconds. */
async function answers(broker) {
  try {
    await run('kcat', ['-b', broker.address, '-L', '-m', '2']);
    return true;
  } catch {
    return false;
  }
}

/** Records without what the broker adds. */
function plain(records) {
  return records.map(({ key, value, headers }) => ({ key, value, headers }));
}

test('records and offsets outlive a broker that is killed', options, async (t) => {
  const broker = await Broker.startFor(t);
  assert.deepEqual(await broker.records('films'), [], 'a topic that is not there has no records');
  await broker.createTopic('films', 3);

  const written = [
    { key: 'a', value: { title: 'one' }, headers: { epoch: '1', url: 'http://localhost' } },
    { key: 'a', value: 'no JSON: {', headers: {} },
    { key: 'b', value: null, headers: {} },
  ];
  const write = ({ key, value, headers }) => broker.produce('films', key, value, headers);
  const first = await write(written[0]);
  const second = await write(written[1]);
  assert.deepEqual(second, { partition: first.partition, offset: 1 }, 'one key, one partition');
  await run('kcat', ['-b', broker.address, '-X', 'auto.offset.reset=earliest', '-e', '-q', '-G', 'readers', 'films']);
  await write(written[2]);

  const check = async () => {
    const records = await broker.records('films');
    const byKey = (key) => records.filter((record) => record.key === key);
    assert.deepEqual(plain([...byKey('a'), ...byKey('b')]), written);
    assert.deepEqual(byKey('a').map(({ partition, offset }) => ({ partition, offset })), [first, second]);
    const committed = await broker.committed('readers', 'films');
    assert.deepEqual(committed.map(({ partition }) => partition), [0, 1, 2]);
    assert.deepEqual(committed.map(({ offset }) => offset).filter((offset) => offset !== null), [2]);
    assert.equal(committed[first.partition].offset, 2);
    assert.equal(committed.reduce((sum, { lag }) => sum + lag, 0), 1);
  };
  await check();
  await broker.kill();
  assert.equal(await answers(broker), false);
  await broker.restart();
  await check();
  await broker.restart();
  await check();
});

test('a frozen broker does not answer, and goes on when it thaws', options, async (t) => {
  const broker = await Broker.startFor(t);
  await broker.createTopic('films');
  assert.equal(await answers(broker), true);
  broker.freeze();
  assert.equal(await answers(broker), false);
  broker.thaw();
  await broker.produce('films', 'a', 'after');
  assert.deepEqual(plain(await broker.records('films')), [{ key: 'a', value: 'after', headers: {} }]);
});

test('a wiped broker knows nothing, and one beside it everything', options, async (t) => {
  const [broker, other] = await Promise.all([Broker.startFor(t), Broker.startFor(t)]);
  for (const each of [broker, other]) {
    await each.createTopic('films');
    await each.produce('films', 'a', 'before');
  }
  const cluster = (each) => each.admin(async (admin) => (await admin.describeCluster()).clusterId);
  const before = await cluster(broker);
  assert.notEqual(await cluster(other), before);
  const address = broker.address;
  await broker.wipe();
  assert.equal(broker.address, address);
  assert.notEqual(await cluster(broker), before);
  assert.deepEqual(await broker.admin((admin) => admin.listTopics()), []);
  assert.equal((await other.records('films')).length, 1);
});
