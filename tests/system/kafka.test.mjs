// The job queue and the event log over a real Kafka broker: what is in the topics, what several servers share, and what
// happens without the broker, without its data and with messages that are not ours.

import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Broker, skip } from '../support/kafka.mjs';
import { fragmentsOf, Upload } from '../support/upload.mjs';
import {
  folderFor,
  makeClip,
  remove,
  rows,
  Server,
  temporaryFolder,
  until,
  vidpipeline,
} from '../support/vidpipeline.mjs';

const options = { timeout: 300_000 };
const fast = ['--preset', 'ultrafast'];
/** One job at a time, so that others wait. */
const narrow = [...fast, '--jobs', '1', '--workers', '1'];
/** Events that are forgotten when a video is completed: whoever reads late may not get them. */
const passing = new Set(['chunk', 'progress']);

let broker;
let clip; // two seconds
let film; // enough to do for some seconds

/** Records of one video in an event topic, in order. */
async function story(which, topic, hash) {
  return (await which.records(topic)).filter(({ key }) => key === hash).map(({ value }) => value);
}

async function completed(server, hashes) {
  for (const hash of hashes) assert.equal((await server.ended(hash)).status, 'completed', hash);
}

/** Uploads what takes some seconds, and three short ones that wait behind it; resolves to their hashes. */
async function uploadRow(server, name) {
  const hashes = [await server.upload(film, { title: `${name}, the film` })];
  for (let i = 0; i < 3; ++i) hashes.push(await server.upload(clip, { title: `${name} ${i}` }));
  return hashes;
}

/** Resolves when the job topic has a message of each of them. */
function published(which, topic, hashes) {
  return until(async () => {
    const keys = new Set((await which.records(topic)).map(({ key }) => key));
    return hashes.every((hash) => keys.has(hash));
  }, 60_000, 'publishing the jobs');
}

describe('Kafka', { skip, concurrency: 3 }, () => {
  const endings = [];

  before(async () => {
    broker = await Broker.startFor({ after: (end) => endings.push(end) });
    const folder = await temporaryFolder();
    endings.push(() => remove(folder));
    // Of a container whose jobs begin when the upload is whole, so that all comes in one order.
    clip = await makeClip(path.join(folder, 'clip.avi'), { seconds: 2, size: '320x180' });
    film = await makeClip(path.join(folder, 'film.avi'), { seconds: 24 });
  });

  after(async () => {
    for (const end of endings) await end();
  });

  test('the topics have the jobs, and the events as Server-Sent Events tell them', options, async (t) => {
    const data = await folderFor(t);
    const server = await Server.startFor(t, { data, options: ['--kafka', broker.address, ...fast] });
    const { events } = await server.follow(t);
    const upload = (title) => server.upload(clip, { title, chunkSize: 8 << 10 });
    const hashes = await Promise.all(['one', 'two'].map(upload));
    await completed(server, hashes);
    const ends = (list) => {
      const ended = list.filter(({ kind }) => kind === 'completed').map(({ data }) => data.video_hash);
      return hashes.every((hash) => ended.includes(hash));
    };
    await until(() => ends(events), 10_000, 'the events of the server');
    const records = await until(async () => {
      const all = await broker.records('video-events');
      return ends(all.map(({ value }) => value)) && all;
    }, 30_000, 'the events in the topic');

    // A job that began with the upload may be done before its message is there.
    const jobs = await until(async () => {
      const all = await broker.records('video-processing');
      return all.length >= hashes.length && all;
    }, 30_000, 'the jobs in the topic');
    const byKey = (a, b) => a.key.localeCompare(b.key);
    assert.deepEqual(
      jobs.map(({ key, value }) => ({ key, value })).sort(byKey),
      hashes.map((hash) => ({
        key: hash,
        value: { version: 1, video_hash: hash, video_path: path.join(data, 'uploads', hash, 'source') },
      })).sort(byKey),
    );
    assert.deepEqual(new Set(records.map(({ key }) => key)), new Set(hashes));
    for (const hash of hashes) {
      const told = records.filter(({ key }) => key === hash).map(({ value }) => value);
      const ids = told.map(({ id }) => id);
      assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => a - b), 'ids rise');
      const kinds = new Set(told.map(({ kind }) => kind));
      kinds.delete('chunk');
      assert.deepEqual([...kinds], ['created', 'queued', 'started', 'progress', 'completed']);

      const streamed = new Map(events.filter(({ data }) => data.video_hash === hash).map((each) => [each.id, each]));
      assert.ok([...streamed.values()].some(({ kind }) => kind === 'progress'));
      for (const each of told) {
        const { id, kind, data } = streamed.get(each.id) ?? each;
        assert.deepEqual(each, { version: 1, id, video_hash: hash, kind, data });
      }
      const lasting = (list) => list.filter(({ kind }) => !passing.has(kind)).map(({ id }) => id);
      assert.deepEqual(lasting(told), lasting([...streamed.values()]));
    }

    await broker.drained('vidpipeline', 'video-processing');
    assert.deepEqual((await server.get('/readyz')).body.queue, { ok: true, kind: 'kafka', unpublished: 0 });
    assert.equal(await server.metric('vidpipeline_kafka_connected'), 1);
    assert.equal(await server.metric('vidpipeline_kafka_published_total{topic="video-processing"}'), 2);
    assert.deepEqual(await broker.records('video-processing.dlq'), []);
    const topics = await broker.admin((admin) => admin.listTopics());
    assert.ok(topics.includes('video-processing.dlq'));
  });

  // -- several servers ------------------------------------------------------------------------------

  describe('two servers on one data folder', { concurrency: false }, () => {
    const within = 1_000;

    /** Of one video: who reads late gets these too. */
    function lasting({ events }, hash) {
      return events
        .filter(({ kind, data }) => !passing.has(kind) && data.video_hash === hash)
        .map(({ id, kind, data }) => ({ id, kind, data }));
    }

    async function startTwo(t, name) {
      const data = await folderFor(t);
      const start = () => Server.startFor(t, { data, options: [...broker.options(name), ...fast] });
      return { data, servers: [await start(), await start()] };
    }

    /** Begins at the one, sends the chunks to both in turn, and finalizes at the one. */
    async function uploadToBoth([one, other], title) {
      const chunkSize = 4 << 10;
      const count = Math.ceil(clip.length / chunkSize);
      assert.ok(count > 4);
      const wanted = { title, file_size: clip.length, total_chunks: count, chunk_size: chunkSize };
      const { video_hash: hash } = (await one.request('POST', '/videos/init', wanted)).body;
      for (let i = 0; i < count; ++i) {
        const chunk = clip.subarray(i * chunkSize, (i + 1) * chunkSize);
        const sent = await (i % 2 ? one : other).request('POST', `/videos/upload_chunk/${hash}/${i}`, chunk);
        assert.equal(sent.status, 200, JSON.stringify(sent.body));
        assert.equal(sent.body.received_chunks, i + 1);
      }
      const done = await one.request('POST', `/videos/finalize/${hash}`);
      assert.equal(done.status, 200, JSON.stringify(done.body));
      return hash;
    }

    test('share an upload, and tell of it alike', options, async (t) => {
      const { servers } = await startTwo(t, 'shared');
      for (const [one, other] of [servers, servers.toReversed()]) {
        const streams = await Promise.all([one, other].map((server) => server.follow(t)));
        const hash = await uploadToBoth([one, other], `finalized at ${servers.indexOf(one)}`);
        const finalized = Date.now();
        assert.notEqual((await other.video(hash)).status, 'uploading');
        const find = (stream, wanted) => () =>
          stream.events.find(({ kind, data }) => kind === wanted && data.video_hash === hash);
        const completion = (stream) => until(find(stream, 'completed'), 120_000, 'completed');
        const queued = await until(find(streams[1], 'queued'), 10_000, 'the event at the other server');
        assert.ok(queued.at - finalized < within, `${queued.at - finalized} ms after finalize`);

        const [here, there] = await Promise.all(streams.map(completion));
        assert.ok(Math.abs(here.at - there.at) < within, `${here.at - there.at} ms between the two`);
        for (const server of servers) assert.equal((await server.video(hash)).status, 'completed');
        assert.deepEqual(lasting(streams[0], hash), lasting(streams[1], hash));

        // Who was at one goes on at the other.
        const resumed = await other.follow(t, { lastId: find(streams[0], 'queued')().id });
        await completion(resumed);
        assert.deepEqual(lasting(resumed, hash), lasting(streams[0], hash).filter(({ id }) => id > queued.id));
        for (const stream of [...streams, resumed]) await stream.stop();
      }
      await broker.drained('shared', 'shared');
    });

    test('play a video at the one while the other encodes what has arrived of it', options, async (t) => {
      const { servers } = await startTwo(t, 'early');
      const [one, other] = servers;
      const bytes = await makeClip(path.join(await folderFor(t), 'clip.mp4'), { seconds: 20, size: '640x360' });
      const upload = await new Upload(one, bytes).begin();
      await upload.sendHead();
      const video = await upload.playable();
      const fragments = await fragmentsOf(other, video, '360p');
      assert.equal(fragments.length, 6);
      // Nobody has sent the bytes of this one.
      const late = await fetch(fragments[5]);
      assert.equal(late.status, 200);
      const wanted = await until(async () => {
        const chunks = await upload.send(Math.min(...upload.missing));
        return chunks.length > 0 && chunks;
      }, 10_000, 'chunks that are wanted');
      upload.server = other; // from here on the owner learns of chunks by the catalog
      for (const index of wanted) await upload.send(index);
      await upload.sendRest();
      const fragment = Buffer.from(await late.arrayBuffer());
      await completed(other, [upload.hash]);
      assert.deepEqual(Buffer.from(await (await fetch(fragments[5])).arrayBuffer()), fragment);
      await broker.drained('early', 'early');
    });

    test('delete at the one what the other works on', options, async (t) => {
      const { data, servers } = await startTwo(t, 'deleted');
      const hash = await servers[0].upload(film);
      await until(async () => (await servers[0].video(hash)).progress?.segments_done > 0, 60_000, 'the first segment');
      const [[owner]] = await rows(data, `SELECT owner FROM videos WHERE hash = '${hash}'`);
      const [here, there] = owner.startsWith(`${servers[0].child.pid}-`) ? servers : servers.toReversed();
      assert.ok(owner.startsWith(`${here.child.pid}-`), owner);
      const { events } = await here.follow(t, { target: `/videos/${hash}/events` });
      assert.equal((await there.request('DELETE', `/videos/${hash}`)).status, 204);
      const deleted = Date.now();
      for (const server of servers) assert.equal((await server.get(`/videos/${hash}`)).status, 404);
      const last = await until(() => events.find(({ kind }) => kind === 'deleted'), 10_000, 'the event at the owner');
      assert.ok(last.at - deleted < within, `${last.at - deleted} ms after DELETE`);
      // No file of the job comes back.
      const ended = () => here.log.some((line) => line.includes(`job of ${hash}: cancelled`));
      await until(ended, 60_000, 'the end of the job');
      await broker.drained('deleted', 'deleted');
      await assert.rejects(access(path.join(data, 'uploads', hash)), { code: 'ENOENT' });
      assert.deepEqual(await broker.records('deleted.dlq'), []);
    });
  });

  // -- the broker -----------------------------------------------------------------------------------

  test('a broker that is away at the start, and one that lost its data meanwhile', options, async (t) => {
    const late = await Broker.startFor(t);
    await late.stop();
    const data = await folderFor(t);
    const words = [...late.options('films'), ...narrow];
    const server = await Server.startFor(t, { data, options: words });
    const hash = await server.upload(clip, { title: 'before' });
    const { status, body } = await server.get('/readyz');
    assert.equal(status, 200);
    assert.equal(body.status, 'ready');
    assert.equal(body.queue.ok, false);
    assert.match(body.queue.detail, /\w/);
    await until(async () => (await server.metric('vidpipeline_outbox_unpublished')) > 0, 10_000, 'counting what waits');
    assert.equal(await server.metric('vidpipeline_kafka_connected'), 0);
    assert.equal((await server.video(hash)).status, 'queued');

    await late.start();
    await completed(server, [hash]);
    assert.equal((await server.get('/readyz')).body.queue.ok, true);
    assert.equal(await server.metric('vidpipeline_kafka_connected'), 1);

    const waiting = await uploadRow(server, 'waits');
    await published(late, 'films', waiting);
    await server.stop();
    assert.ok((await rows(data, "SELECT 1 FROM videos WHERE status = 'queued'")).length >= 3);
    await late.wipe();
    const next = await Server.startFor(t, { data, options: words });
    await completed(next, waiting);
  });

  test('a broker that loses its data under a server', options, async (t) => {
    const lossy = await Broker.startFor(t);
    const server = await Server.startFor(t, { options: [...lossy.options('films'), ...narrow] });
    const waiting = await uploadRow(server, 'waits');
    await published(lossy, 'films', waiting);
    assert.notEqual((await server.video(waiting.at(-1))).status, 'completed');
    await lossy.wipe();
    const after = await server.upload(clip, { title: 'after' });
    await completed(server, [...waiting, after]);
    const told = async () => (await story(lossy, 'films-events', after)).some(({ kind }) => kind === 'completed');
    await until(told, 60_000, 'its events');
    await lossy.drained('films', 'films');
  });

  // -- settings -------------------------------------------------------------------------------------

  test('properties that librdkafka refuses, or that promises rest on, end the server at once', options, async (t) => {
    const cwd = await folderFor(t);
    const data = path.join(cwd, 'data');
    const serve = (...words) => vidpipeline(['serve', '--port', '0', '--data', data, ...words], { cwd });
    const configure = (text) => writeFile(path.join(cwd, 'vidpipeline.toml'), text);
    const refused = [
      [['no.such.thing', 'x'], /No such configuration property: "no\.such\.thing"/],
      [['session.timeout.ms', 'soon'], /Invalid value for configuration property "session\.timeout\.ms"/],
      [['enable.idempotence', 'false'], /"enable\.idempotence" cannot be set to "false" here/],
    ];
    for (const [[name, value], words] of refused) {
      const told = await serve('--kafka', 'localhost:1', '--kafka-property', `${name}=${value}`);
      assert.equal(told.status, 1, name);
      assert.match(told.stderr, words);
      await configure(`[serve]\nkafka = "localhost:1"\n\n[kafka]\n${name} = "${value}"\n`);
      const fromFile = await serve();
      await configure('');
      assert.deepEqual(fromFile, told);
    }
    await assert.rejects(access(data), { code: 'ENOENT' });
  });

  test('the file and the environment say which brokers, topics and properties', options, async (t) => {
    const file = path.join(await folderFor(t), 'vidpipeline.toml');
    await writeFile(file, '[serve]\npreset = "ultrafast"\n\n[kafka]\nclient.id = "projectionist"\n');
    const server = await Server.startFor(t, {
      options: ['--config', file],
      environment: {
        KAFKA_BOOTSTRAP_SERVERS: broker.address,
        KAFKA_VIDEO_TOPIC: 'cinema',
        KAFKA_CONSUMER_GROUP: 'staff',
      },
    });
    const hash = await server.upload(clip, { title: 'cinema' });
    await completed(server, [hash]);
    assert.deepEqual((await broker.records('cinema')).map(({ key }) => key), [hash]);
    await broker.drained('staff', 'cinema');
    const { groups } = await broker.admin((admin) => admin.describeGroups(['staff']));
    assert.deepEqual(groups[0].members.map(({ clientId }) => clientId), ['projectionist']);
  });

  // -- dead letters ---------------------------------------------------------------------------------

  test('what is no job becomes a dead letter, and the partition goes on', options, async (t) => {
    const data = await folderFor(t);
    const words = [...broker.options('letters'), '--kafka-partitions', '1', ...fast];
    const server = await Server.startFor(t, { data, options: words });
    const topics = () => broker.admin((admin) => admin.listTopics());
    await until(async () => (await topics()).includes('letters.dlq'), 60_000, 'making the topics');
    const stranger = 'ab'.repeat(32);
    const foreign = [
      { key: 'a text', value: 'no JSON: {', reason: /not JSON/ },
      { key: stranger, value: { version: 1, video_hash: stranger }, reason: /no such video/ },
      { key: 'too much', value: 'x'.repeat(900_000), reason: /over 65536 bytes/ },
      { key: 'nothing', value: null, reason: /not JSON/ },
      { key: null, value: '[]', reason: /not a JSON object/ },
    ];
    for (const each of foreign) each.at = await broker.produce('letters', each.key, each.value);

    // As large as the clip, which it becomes later.
    const broken = await server.upload(Buffer.alloc(clip.length, 'no film '), { title: 'broken' });
    const good = await server.upload(clip, { title: 'good' });
    await completed(server, [good]);
    const failed = await server.ended(broken);
    assert.equal(failed.status, 'failed');
    assert.match(failed.error, /can't be read/);
    await broker.drained('letters', 'letters');

    const letters = await broker.records('letters.dlq');
    for (const { key, value, at, reason } of foreign) {
      const origin = `letters/0/${at.offset}`;
      const { headers, ...letter } = letters.find((each) => each.headers.origin === origin);
      assert.equal(letter.key, key ?? origin);
      assert.match(headers.reason, reason);
      assert.equal(headers.attempts, '0');
      const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
      if (text.length > 100_000) {
        assert.equal(headers['original-size'], String(text.length));
        assert.ok(letter.value.length < 100_000 && text.startsWith(letter.value));
      }
    }
    const letter = letters.find(({ key }) => key === broken);
    const job = (await broker.records('letters')).find(({ key }) => key === broken);
    const { time, ...headers } = letter.headers;
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.deepEqual(headers, { reason: failed.error, attempts: '1', origin: `letters/0/${job.offset}` });
    assert.deepEqual(letter.value, job.value);
    assert.equal(letters.length, foreign.length + 1);

    const dlq = (...words) => vidpipeline(['dlq', ...broker.options('letters'), '--server', server.url, ...words]);
    const listed = async () => {
      const { status, stdout, stderr } = await dlq('list');
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
      return stdout;
    };
    const lineOf = (origin) => new RegExp(`^\\d{4}-\\d\\d-\\d\\dT[\\d:]+Z +\\d+ +${origin} `, 'm');
    const first = await listed();
    for (const { headers } of letters) assert.match(first, lineOf(headers.origin));
    assert.equal(first.trim().split('\n').length, letters.length + 1);

    await t.test('a video that fails again is a dead letter again, each time', async () => {
      const jobs = async () => (await broker.records('letters')).filter(({ key }) => key === broken);
      for (let count = 2; count < 7; ++count) {
        const { status, stdout, stderr } = await dlq('retry', broken.slice(0, 12));
        assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: `${broken}  started again\n`, stderr: '' });
        await until(async () => (await jobs()).length === count, 30_000, 'its next job');
        await broker.drained('letters', 'letters');
        assert.equal((await server.ended(broken)).status, 'failed');
        assert.match(await listed(), lineOf(`letters/0/${(await jobs()).at(-1).offset}`));
      }
    });

    await t.test('a video whose source is mended is completed, and off the list', async () => {
      await writeFile(path.join(data, 'uploads', broken, 'source'), clip);
      assert.equal((await dlq('retry', broken)).stdout, `${broken}  started again\n`);
      await completed(server, [broken]);
      assert.ok(!(await listed()).includes(broken.slice(0, 16)));
    });

    await t.test('--all is tried again, each', async () => {
      const second = await server.upload(Buffer.alloc(clip.length, 'no film '), { title: 'broken too' });
      assert.equal((await server.ended(second)).status, 'failed');
      await broker.drained('letters', 'letters');
      await writeFile(path.join(data, 'uploads', second, 'source'), clip);
      const before = (await broker.records('letters')).length;
      const { status, stdout, stderr } = await dlq('retry', '--all');
      // All but the one that was not kept whole, which is named.
      assert.equal(status, 1);
      assert.match(stderr, /letters\/0\/\d+ was too large to be kept whole/);
      assert.match(stdout, new RegExp(`^${second}  started again$`, 'm'));
      assert.equal(stdout.match(/ {2}back in the queue$/gm).length, foreign.length - 1);
      await completed(server, [second]);
      await broker.drained('letters', 'letters');
      assert.equal((await broker.records('letters')).length, before + foreign.length);
      const last = await listed();
      assert.ok(!last.includes(second.slice(0, 16)));
      // The hopeless ones are back, each once.
      assert.equal(last.trim().split('\n').length, foreign.length + 1);
    });

    await t.test('words that make no sense', async () => {
      for (const [words, says] of [
        [['retry'], /say which/],
        [['retry', '--all', 'ab'], /say which/],
        [['retry', 'zz'], /no dead letter's key begins with 'zz'/],
      ]) {
        const { status, stderr } = await dlq(...words);
        assert.equal(status, 1);
        assert.match(stderr, says);
      }
      const nowhere = await vidpipeline(['dlq', 'list']);
      assert.equal(nowhere.status, 1);
      assert.match(nowhere.stderr, /--kafka/);
    });
  });

  // -- the embedded queue ---------------------------------------------------------------------------

  test('servers with the one and the other queue are never in one folder', options, async (t) => {
    const words = [...broker.options('alone'), ...fast];
    const refused = /ended with 1:[^]*another server already works in/;
    for (const [first, second] of [[words, fast], [fast, words]]) {
      const data = await folderFor(t);
      await Server.startFor(t, { data, options: first });
      await assert.rejects(Server.startFor(t, { data, options: second }), refused);
    }
  });

  test('a folder goes from Kafka to the embedded queue and back with its queued videos', options, async (t) => {
    const data = await folderFor(t);
    const kafka = [...broker.options('moves'), ...narrow];
    const all = [];
    for (const [name, words] of [['Kafka', kafka], ['embedded', narrow], ['Kafka again', kafka]]) {
      const server = await Server.startFor(t, { data, options: words });
      await completed(server, all);
      const hashes = await uploadRow(server, name);
      if (words === kafka) await published(broker, 'moves', hashes);
      await server.stop();
      assert.ok((await rows(data, "SELECT 1 FROM videos WHERE status = 'queued'")).length >= 3, 'something is queued');
      all.push(...hashes);
    }
    const last = await Server.startFor(t, { data, options: kafka });
    await completed(last, all);
    await broker.drained('moves', 'moves');
    for (const hash of all) {
      const ends = (await story(broker, 'moves-events', hash)).filter(({ kind }) => kind === 'completed');
      assert.equal(new Set(ends.map(({ id }) => id)).size, 1, hash);
    }
    assert.deepEqual(await broker.records('moves.dlq'), []);
  });
});
