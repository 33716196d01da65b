// Workers that are killed, frozen, cut off and slowed down while they encode, and their server that is killed: each job
// is completed, with the files of an undisturbed run; nothing is begun again but what was lost; nobody is left behind.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { Hosts, insideOwnNetwork, makeCertificates, nodesJoin, skip, startWorker } from '../support/hosts.mjs';
import { Relay } from '../support/relay.mjs';
import { digests, folderFor, makeClip, rows, Server, soak, until } from '../support/vidpipeline.mjs';

const rounds = soak ? 25 : 5;
const jobs = 2; // of each round

const door = 8100;
const slots = { alpha: 1, beta: 1, gamma: 2 };
// Little to carry, and much to encode.
const sizes = ['320x180', '320x240', '384x216'];
const thorough = ['--preset', 'slow'];

const pick = (from) => from[Math.floor(Math.random() * from.length)];

/** Of these processes, those that have not just ended get a signal. */
function signal(ids, name) {
  for (const id of ids) {
    try {
      process.kill(id, name);
    } catch (problem) {
      if (problem.code !== 'ESRCH') throw problem;
    }
  }
}

/** The tasks that a log says were begun, each time that they were, some renditions of a segment: `1 of HASH, 17`. */
function starts(log) {
  return log
    .map((line) => /: segment (\d+ of \w+) begins, renditions (\w+)$/.exec(line))
    .filter(Boolean)
    .map(([, segment, renditions]) => `${segment}, ${renditions}`);
}

const segmentOf = (task) => task.split(', ')[0];

/** Clips, each with the files that an undisturbed server makes of it and the number of its segments. */
async function makeClips(t) {
  const folder = await folderFor(t);
  const calm = await Server.startFor(t, { options: [...thorough, '--workers', '2'] });
  const clips = await Promise.all(sizes.map(async (size) => {
    // Of a container whose jobs begin when the upload is whole, so that there is work when the faults come.
    const bytes = await makeClip(path.join(folder, `${size}.avi`), { seconds: 16, size });
    const hash = await calm.upload(bytes, { title: size });
    assert.equal((await calm.ended(hash)).status, 'completed');
    const files = await digests(path.join(calm.data, 'uploads', hash));
    const segments = new Set(Object.keys(files).map((file) => /(\d+)\.m4s$/.exec(file)?.[1]).filter(Boolean));
    return { bytes, files, segments: segments.size };
  }));
  await calm.stop();
  return clips;
}

/** A worker that has a host for itself. */
class Node {
  constructor(t, name, host, words) {
    Object.assign(this, { name, host, slots: slots[name] });
    this.start = () => (this.worker = startWorker(t, host, words));
    this.start();
  }

  /**
   * Kills one of its processes; resolves to how many slots that takes. No child survives its parent, and the worker is
   * started again then.
   */
  async kill(id) {
    signal([id], 'SIGKILL');
    if (id !== this.worker.child.pid) return 1;
    await this.worker.exited;
    const empty = async () => (await this.host.processes()).length === 0;
    await until(empty, 10_000, `the end of the children of ${this.name}`);
    this.start();
    return this.slots;
  }
}

class Cluster {
  #videos = new Map(); // the clip of each
  #how;

  /** A server and three workers that have joined it, one of them through a relay. */
  static async startFor(t) {
    const cluster = new Cluster();
    const names = Object.keys(slots);
    const hosts = Hosts.startFor(t);
    const certificates = await makeCertificates(t, names);
    cluster.host = await hosts.add(1);
    const { address, within } = cluster.host;
    const place = ['--address', address, '--nodes', `${address}:${door}`, '--certs', certificates('server')];
    const options = [...place, '--workers', '0', '--log-level', 'debug', ...thorough];
    cluster.#how = { data: await folderFor(t), within, options };
    cluster.runs = [await Server.start(cluster.#how)];
    t.after(() => cluster.server.stop());

    cluster.relay = await Relay.startFor(t, { address: hosts.address, to: address, ports: [door, door + 1] });
    cluster.nodes = [];
    for (const [index, name] of names.entries()) {
      const join = `${name === 'beta' ? hosts.address : address}:${door}`;
      const words = ['--join', join, '--name', name, '--certs', certificates(name), '--slots', String(slots[name])];
      cluster.nodes.push(new Node(t, name, await hosts.add(2 + index), words));
    }
    await cluster.joined();
    cluster.clips = await makeClips(t);
    return cluster;
  }

  /** The server's run that goes on. */
  get server() {
    return this.runs.at(-1);
  }

  /** What all of the server's runs have logged. */
  get log() {
    return this.runs.flatMap(({ log }) => log);
  }

  joined() {
    return nodesJoin(this.server, slots, 60_000);
  }

  /** Uploads so many videos; resolves to their hashes when a segment of each was begun. */
  async begin(count) {
    const hashes = [];
    for (let i = 0; i < count; ++i) {
      const number = this.#videos.size;
      const clip = this.clips[number % this.clips.length];
      hashes.push(await this.server.upload(clip.bytes, { title: `video ${number}` }));
      this.#videos.set(hashes.at(-1), clip);
    }
    const begun = () => hashes.every((hash) => starts(this.server.log).some((task) => segmentOf(task).endsWith(hash)));
    await until(begun, 60_000, 'the first segments');
    return hashes;
  }

  async over(hashes) {
    const videos = await Promise.all(hashes.map((hash) => this.server.video(hash)));
    return videos.every(({ status }) => ['completed', 'failed'].includes(status));
  }

  /** The nodes that encode just now. */
  async encoding() {
    const { body } = await this.server.get('/nodes');
    const busy = body.filter((node) => node.slots.some(({ segment }) => segment !== undefined));
    return this.nodes.filter(({ name }) => busy.some((node) => node.name === name));
  }

  /** One of them, as soon as there is one. */
  someone() {
    return until(async () => pick(await this.encoding()), 30_000, 'encoding');
  }

  /** How often one of a node's encoders was lost. */
  losses({ name }) {
    return this.log.filter((line) => line.includes(`encoder ${name}/`) && line.includes(' is lost: ')).length;
  }

  /** Does something to a node, and waits until the server misses it. */
  async missing(node, act) {
    const before = this.losses(node);
    await act();
    await until(() => this.losses(node) > before, 60_000, `missing ${node.name}`);
  }

  /** Kills the server and starts it again; resolves to how many tasks of segments it had begun that are not all stored. */
  async killServer() {
    const { server } = this;
    const whole = once(server.child, 'close'); // then its log is
    await server.kill();
    await whole;
    const stored = await rows(
      server.data,
      'SELECT segment, hash, COUNT(*) FROM fragments JOIN videos ON videos.id = video_id GROUP BY segment, hash',
    );
    const isWhole = ([segment, hash, count]) => {
      const wanted = Object.keys(this.#videos.get(hash).files).filter((file) => file.endsWith(`/${segment}.m4s`));
      return count === wanted.length;
    };
    const kept = new Set(stored.filter(isWhole).map(([segment, hash]) => `${segment} of ${hash}`));
    this.runs.push(await Server.start({ ...this.#how, port: server.port }));
    return new Set(starts(server.log).filter((task) => !kept.has(segmentOf(task)))).size;
  }

  /** Waits until these videos are completed; resolves to the number of their segments. */
  async completed(hashes) {
    let segments = 0;
    for (const hash of hashes) {
      const clip = this.#videos.get(hash);
      const video = await this.server.ended(hash, 180_000);
      assert.equal(video.status, 'completed', video.error);
      assert.deepEqual(await digests(path.join(this.server.data, 'uploads', hash)), clip.files);
      segments += clip.segments;
    }
    return segments;
  }

  /** That nothing is being done, and there is a process for the server, one for each node and one for each slot. */
  async checkQuiet() {
    for (const what of ['vidpipeline_jobs_running', 'vidpipeline_encoders_busy'])
      await until(async () => (await this.server.metric(what)) === 0, 30_000, `an end of ${what}`);
    assert.deepEqual(await this.host.processes(), [this.server.child.pid]);
    for (const { name, host, slots, worker } of this.nodes) {
      assert.equal(worker.child.exitCode, null, worker.log.join('\n'));
      const right = async () => (await host.processes()).length === 1 + slots;
      await until(right, 30_000, `the right number of processes of ${name}`);
    }
  }

  /** Ends all, the server first. */
  async end() {
    const joined = (await Promise.all(this.nodes.map(({ host }) => host.processes()))).flat();
    assert.equal(await this.server.stop(), 0);
    assert.deepEqual(await this.host.processes(), []);
    for (const { name, host, slots, worker } of this.nodes) {
      const parent = worker.child.pid;
      const others = async () => (await host.processes()).filter((id) => id !== parent);
      const alone = async () => !(await others()).some((id) => joined.includes(id));
      await until(alone, 20_000, `the end of the encoders of ${name}`);
      assert.ok((await others()).length <= slots); // that wait to join again
      assert.equal(worker.child.exitCode, null, worker.log.join('\n'));
      worker.child.kill('SIGTERM');
      assert.equal(await worker.exited, 0);
      assert.deepEqual(await host.processes(), []);
    }
  }
}

/**
 * What happens while these videos are encoded. A fault may begin more videos, and resolves to what may be lost by it:
 * `{slots}` of workers, or `{segments}` with the server, in tasks.
 */
const faults = {
  'workers that are killed': async (cluster, hashes) => {
    let slots = 0;
    const encoded = () => cluster.server.metric('vidpipeline_segments_encoded_total');
    for (let over = false; !over; over = await cluster.over(hashes)) {
      const before = await encoded();
      const node = pick(await cluster.encoding()) ?? pick(cluster.nodes);
      slots += await node.kill(pick(await node.host.processes()));
      await delay(1_000 + 2_000 * Math.random());
      // A machine on which this takes long is to get on too.
      const goesOn = async () => (await encoded()) > before || (await cluster.over(hashes));
      await until(goesOn, 120_000, 'a segment after a kill');
    }
    return { slots };
  },
  'a worker that is frozen for 30 s': async (cluster, hashes) => {
    const node = await cluster.someone();
    const all = await node.host.processes();
    const some = pick([all, all.filter((id) => id !== node.worker.child.pid)]); // its parent too, or not
    const thaw = Date.now() + 30_000;
    await cluster.missing(node, async () => signal(some, 'SIGSTOP'));
    await cluster.completed(hashes);
    await delay(Math.max(0, thaw - 2_000 - Date.now()));
    hashes.push(...(await cluster.begin(1))); // there is work when it wakes up
    await delay(Math.max(0, thaw - Date.now()));
    signal(some, 'SIGCONT');
    return { slots: node.slots };
  },
  'a link that is cut': async (cluster) => {
    const node = await cluster.someone();
    await cluster.missing(node, node.host.down);
    await node.host.up();
    return { slots: node.slots };
  },
  'links that are slow': async (cluster, hashes) => {
    const [alpha, , gamma] = cluster.nodes;
    const [narrow, lossy] = pick([[alpha, gamma], [gamma, alpha]]);
    await narrow.host.shape('tbf', 'rate', '1500kbit', 'burst', '16kb', 'latency', '400ms');
    await lossy.host.lose(1);
    cluster.relay.latency = 100;
    await cluster.completed(hashes);
    cluster.relay.latency = 0;
    await lossy.host.mend();
    await narrow.host.mend();
    return { slots: 0 };
  },
  'a server that is killed': async (cluster) => {
    await delay(1_000 * Math.random());
    const segments = await cluster.killServer();
    assert.ok(segments > 0, 'it had something to do');
    return { segments };
  },
};

if (insideOwnNetwork(fileURLToPath(import.meta.url))) {
  test(`${rounds * jobs} jobs and faults`, { skip, timeout: soak ? 7_200_000 : 600_000 }, async (t) => {
    const cluster = await Cluster.startFor(t);
    const kinds = Object.entries(faults);
    let good = 0;
    for (let round = 0; round < rounds && good === round; ++round) {
      const [what, fault] = kinds[round % kinds.length];
      await t.test(what, async (t) => {
        const mark = cluster.log.length;
        const hashes = await cluster.begin(jobs);
        const may = { slots: 0, segments: 0, ...(await fault(cluster, hashes)) };
        const segments = await cluster.completed(hashes);
        await cluster.joined();
        await cluster.checkQuiet();
        const log = cluster.log.slice(mark);
        const begun = starts(log);
        const lost = log.filter((line) => / encoder \S+ is lost: /.test(line)).length;
        const different = new Set(begun).size;
        const figures = `${segments} segments in ${different} tasks, begun ${begun.length} times; `
          + `lost with the server ${may.segments}, slots lost ${lost} of ${may.slots}`;
        t.diagnostic(figures);
        assert.equal(new Set(begun.map(segmentOf)).size, segments);
        assert.ok(begun.length <= different + lost + may.segments, figures);
        assert.ok(lost <= may.slots, figures); // a fault costs nobody else anything
        good += 1;
      });
    }
    if (good === rounds) await cluster.end();
  });
}
