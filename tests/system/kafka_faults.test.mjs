// Brokers and servers that are killed and frozen while uploads go on: each video is completed, once, and the event
// topic tells its story whole and in order. And servers that share the jobs, also those of one that is killed.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { Broker, skip } from '../support/kafka.mjs';
import {
  digests,
  failpoints,
  folderFor,
  makeClip,
  remove,
  rows,
  run,
  Server,
  soak,
  temporaryFolder,
  until,
} from '../support/vidpipeline.mjs';

const times = soak ? 20 : 1;
const options = { timeout: soak ? 3 * 3_600_000 : 300_000 };
const fast = ['--preset', 'ultrafast'];

let broker;
let clip; // two seconds
let film; // many segments

/** Uploads at the server there is then, and goes on over its ends, as a client does that tries again. */
async function uploadStubbornly(place, bytes, title) {
  for (;;) {
    try {
      return await place.current.upload(bytes, { title, chunkSize: 16 << 10 });
    } catch (problem) {
      // What fetch throws when a connection ends; too much to do.
      if (!(problem instanceof TypeError) && !/: 503 /.test(problem.message)) throw problem;
      await delay(200);
    }
  }
}

/** Starts a server again, on its port and with its data. */
async function startAgain(place, more = {}) {
  place.current = await Server.start({ ...place.start, port: place.current.port, ...more });
}

/**
 * What is promised of these videos when all is over. `name`: of the job topic and the group. Resolves to how many events
 * came more than once.
 */
async function checkOutcome({ which, name, data, server, hashes }) {
  assert.equal(new Set(hashes).size, hashes.length);
  for (const hash of hashes) assert.equal((await server.ended(hash, 180_000)).status, 'completed', hash);
  const jobs = () => rows(data, "SELECT 1 FROM outbox WHERE topic = 'job'");
  await until(async () => (await jobs()).length === 0, 60_000, 'publishing the jobs');
  await until(async () => {
    const [[published, newest]] = await rows(data, 'SELECT published, (SELECT max(id) FROM outbox) FROM publisher');
    return published >= newest;
  }, 60_000, 'publishing the events');
  await which.drained(name, name);
  assert.deepEqual(await which.records(`${name}.dlq`), []);

  const records = await which.records(`${name}-events`);
  const kept = await rows(data, "SELECT id, key, kind, payload FROM outbox WHERE topic = 'event'");
  let repeated = 0;
  for (const hash of hashes) {
    const told = records.filter(({ key }) => key === hash).map(({ value }) => value);
    const first = [...new Map(told.map((each) => [each.id, each])).values()];
    repeated += told.length - first.length;
    const ids = first.map(({ id }) => id);
    assert.deepEqual(ids, ids.toSorted((a, b) => a - b), `${hash}: in order`);
    assert.equal(first.filter(({ kind }) => kind === 'completed').length, 1, `${hash}: completed once`);
    assert.equal(first.at(-1).kind, 'completed');
    for (const each of told) assert.deepEqual(each, first.find(({ id }) => id === each.id), `${hash}: the same twice`);
    for (const [id, , kind, payload] of kept.filter(([, key]) => key === hash)) {
      const event = { version: 1, id, video_hash: hash, kind, data: JSON.parse(payload) };
      assert.deepEqual(first.find((each) => each.id === id), event, 'none is lost');
    }
  }
  return repeated;
}

/** Two servers that both have partitions. */
async function startTwo(t, name, words = []) {
  const data = await folderFor(t);
  const start = () => Server.startFor(t, { data, options: [...broker.options(name), ...fast, ...words] });
  const has = (server) => () => server.log.some((line) => /partitions \d.* are ours/.test(line));
  const first = await start();
  await until(has(first), 60_000, 'the partitions of the first');
  const second = await start();
  await until(has(second), 60_000, 'the partitions of the second');
  return { data, servers: [first, second] };
}

describe('Kafka and faults', { skip, concurrency: 3 }, () => {
  const endings = [];

  before(async () => {
    broker = await Broker.startFor({ after: (end) => endings.push(end) });
    const folder = await temporaryFolder();
    endings.push(() => remove(folder));
    clip = await makeClip(path.join(folder, 'clip.mp4'), { seconds: 2, size: '320x180' });
    film = await makeClip(path.join(folder, 'film.mp4'), { seconds: 40 });
  });

  after(async () => {
    for (const end of endings) await end();
  });

  test(`brokers and servers that end ${times} times each way`, options, async (t) => {
    const fragile = await Broker.startFor(t);
    const name = 'fragile';
    const data = await folderFor(t);
    // A member that is gone is missed sooner than by default, for here are many.
    const soon = ['--kafka-property', 'session.timeout.ms=6000', '--kafka-property', 'heartbeat.interval.ms=2000'];
    const start = { data, options: [...fragile.options(name), ...fast, ...soon] };
    const place = { start, current: await Server.start(start) };
    t.after(() => place.current.stop());
    let count = 0;
    const upload = () => uploadStubbornly(place, clip, `clip ${count++}`);

    /** Ends the server at a failpoint, at random one of the first times that it comes there. */
    const endAt = (failpoint) => async (uploads) => {
      const order = `${failpoint}:${1 + Math.floor(Math.random() * 4)}`;
      await place.current.stop();
      try {
        await startAgain(place, { binary: failpoints, environment: { VIDPIPELINE_FAILPOINT: order } });
        const killed = place.current.exited.then(() => true);
        while (!(await Promise.race([killed, delay(2_000)]))) uploads.push(upload()); // until it comes there
        assert.equal(place.current.child.signalCode, 'SIGKILL', order);
      } catch (problem) {
        assert.match(problem.message, /^the server ended with null:/); // before it listened
      }
      await startAgain(place);
    };
    const faults = {
      'a broker that is killed': async () => {
        await fragile.kill();
        await delay(1_000 * Math.random());
        await fragile.start();
      },
      'a server that ends before it publishes': endAt('before-publish'),
      'a server that ends before it marks what it published': endAt('before-mark'),
      'a server that ends before it commits': endAt('before-commit'),
      'a broker that is frozen for 30 s': async () => {
        fragile.freeze();
        await delay(30_000);
        fragile.thaw();
      },
    };

    const hashes = [];
    const rounds = times * Object.keys(faults).length;
    const each = soak ? 2 : 4;
    for (let round = 0; round < rounds; ++round) {
      const [what, fault] = Object.entries(faults)[round % Object.keys(faults).length];
      await t.test(what, async () => {
        const uploads = Array.from({ length: each }, upload);
        await delay(500 * Math.random());
        await fault(uploads);
        // Before the next fault, for a video that is started three times in vain is given up.
        for (const hash of await Promise.all(uploads)) {
          hashes.push(hash);
          assert.equal((await place.current.ended(hash)).status, 'completed', hash);
        }
      });
    }
    assert.ok(hashes.length >= rounds * each);
    const repeated = await checkOutcome({ which: fragile, name, data, server: place.current, hashes });
    t.diagnostic(`${hashes.length} videos, ${repeated} events came again`);
    assert.ok(repeated > 0, 'who ends before it marks publishes again');
  });

  test(`a server that is frozen past its claim, ${times} times`, options, async (t) => {
    const name = 'frozen';
    const { data, servers } = await startTwo(t, name);
    const hashes = [];
    for (let round = 0; round < times; ++round) {
      const [sleeper, other] = round % 2 ? servers : servers.toReversed();
      const upload = async (server, title) => hashes.push(await server.upload(clip, { title: `${title} of ${round}` }));
      let taken;
      let frozen;
      try {
        do {
          sleeper.child.kill('SIGCONT');
          hashes.push(...(await workOnFilm(sleeper, data, round)));
          await freezeOutsideWrites(sleeper, data);
          frozen = Date.now();
          taken = await begun(sleeper, data);
        } while (taken.length === 0);
        await upload(other, 'clip');
        for (const hash of hashes) assert.equal((await other.ended(hash, 180_000)).status, 'completed', hash);
        await delay(Math.max(0, frozen + 31_000 - Date.now()));
        // It may have slept, or be at work again, in the middle of writing a file under a name that nobody knows.
        const others = /^source$|\.tmp$/;
        const files = () => Promise.all(taken.map((hash) => digests(path.join(data, 'uploads', hash), others)));
        const before = await files();
        sleeper.child.kill('SIGCONT');
        // What it works on when it wakes up is nothing to anybody.
        const ended = (hash) => () => sleeper.log.some((line) => line.includes(`job of ${hash}: `));
        for (const hash of taken) await until(ended(hash), 60_000, 'the end of a job that slept');
        assert.deepEqual(await files(), before);
      } finally {
        sleeper.child.kill('SIGCONT');
      }
      for (let i = 0; i < 2; ++i) await upload(sleeper, `late clip ${i}`);
    }
    for (const server of servers) await checkOutcome({ which: broker, name, data, server, hashes });
  });

  const jobs = soak ? 100 : 40;
  test(`two servers share ${jobs} jobs`, options, async (t) => {
    const name = 'shared';
    const { data, servers } = await startTwo(t, name);
    const hashes = await uploadMany(servers.map((current) => ({ current })), jobs);
    await checkOutcome({ which: broker, name, data, server: servers[0], hashes });
    const finished = (server) => server.metric('vidpipeline_jobs_total{outcome="completed"}');
    const done = await Promise.all(servers.map(finished));
    t.diagnostic(`${done.join(' and ')} jobs`);
    for (const count of done) assert.ok(count >= jobs / 5, done.join(' and '));
    assert.equal(done[0] + done[1], jobs);
  });

  const few = soak ? 100 : 12;
  test(`two servers share ${few} jobs, and one is killed`, options, async (t) => {
    const name = 'halved';
    const { data, servers } = await startTwo(t, name);
    const [victim, heir] = servers;
    const places = servers.map((current) => ({ current }));
    const uploads = uploadMany(places, few);
    const films = await workOnFilm(victim, data, 0);
    await victim.kill();
    places[0].current = heir;
    const hashes = [...films, ...(await uploads)];
    const taken = await begun(victim, data);
    t.diagnostic(`${taken.length} jobs to take over`);
    assert.ok(taken.length > 0);
    const stored = await fragmentFiles(data, taken);
    assert.ok(stored.length > 0);

    await checkOutcome({ which: broker, name, data, server: heir, hashes });
    const after = new Map((await fragmentFiles(data, taken)).map((each) => [each.file, each]));
    for (const each of stored) assert.deepEqual(after.get(each.file), each, 'not encoded again');
    const records = await broker.records(`${name}-events`);
    for (const hash of taken) {
      const told = records.filter(({ key }) => key === hash).map(({ value }) => value);
      assert.ok(told.filter(({ kind }) => kind === 'started').length >= 2, 'two servers worked on it');
      const done = told.filter(({ kind, data: { progress } }) => kind === 'progress' && progress.phase !== 'analyzing')
        .map(({ data: { progress } }) => progress.segments_done);
      assert.deepEqual(done, done.toSorted((a, b) => a - b), 'progress goes on');
    }
  });
});

/** Stops a process, but not while it holds the database: nobody could write then, and no server can help that. */
async function freezeOutsideWrites(server, data) {
  const script = 'import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0.2).execute("BEGIN IMMEDIATE")';
  for (;;) {
    server.child.kill('SIGSTOP');
    try {
      await run('python3', ['-c', script, path.join(data, 'vidpipeline.db')]);
      return;
    } catch {
      server.child.kill('SIGCONT');
    }
  }
}

/** Uploads so many clips to the servers in turn, several at once; resolves to the hashes. */
async function uploadMany(places, count) {
  const hashes = [];
  let next = 0;
  const work = async () => {
    while (next < count) {
      const i = next++;
      hashes.push(await uploadStubbornly(places[i % places.length], clip, `upload ${i}`));
    }
  };
  await Promise.all([1, 2, 3, 4].map(work));
  return hashes;
}

/** The videos of which a process has made a part and not all. */
async function begun(server, data) {
  const found = await rows(data, `SELECT hash FROM videos WHERE status = 'processing'
    AND owner LIKE '${server.child.pid}-%' AND (SELECT count(*) FROM fragments WHERE video_id = videos.id) > 3`);
  return found.flat();
}

/** Uploads films until the server works on one; resolves to their hashes. Whose a film is, the broker says. */
async function workOnFilm(server, data, round) {
  const hashes = [];
  for (;;) {
    const hash = await server.upload(film, { title: `film ${hashes.length} of ${round}` });
    hashes.push(hash);
    const decided = await until(async () => {
      if ((await begun(server, data)).includes(hash)) return 'here';
      const [[owner, fragments]] = await rows(data, `SELECT owner,
        (SELECT count(*) FROM fragments WHERE video_id = videos.id) FROM videos WHERE hash = '${hash}'`);
      return fragments > 3 && !owner.startsWith(`${server.child.pid}-`) && 'elsewhere';
    }, 120_000, 'the first fragments of a film');
    if (decided === 'here') return hashes;
  }
}

/** The fragments of these videos that the database knows: which file, and when it was written. */
async function fragmentFiles(data, hashes) {
  const found = await rows(data, `SELECT hash, rendition, segment, size FROM fragments
    JOIN videos ON videos.id = video_id WHERE hash IN (${hashes.map((hash) => `'${hash}'`).join()})`);
  return Promise.all(found.map(async ([hash, rendition, segment, size]) => {
    const file = path.join(data, 'uploads', hash, 'media', rendition, `${segment}.m4s`);
    const { ino, mtimeMs, size: now } = await stat(file);
    assert.equal(now, size, file);
    return { file, ino, mtimeMs };
  }));
}
