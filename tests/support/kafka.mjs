// A real Kafka broker for a test, and what a test asks of its topics.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { Kafka, logLevel, Partitioners } from 'kafkajs';

import { remove, root, run, temporaryFolder, until } from './vidpipeline.mjs';

/** Why no broker can run here, or false: the `skip` of each test that needs one. With CI=1 such a test fails instead. */
export const skip = reasonToSkip();

function reasonToSkip() {
  if (['1', 'true'].includes(process.env.CI)) return false;
  const fetched = existsSync(path.join(root, 'build/kafka/libs'));
  const missing = ['java', 'kcat', ...(fetched ? [] : ['mvn'])].filter((tool) => !isInstalled(tool));
  return missing.length > 0 && `no Kafka broker without ${missing.join(', ')}`;
}

function isInstalled(tool) {
  return process.env.PATH.split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function isFree(port) {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/**
 * A free port with a free one above it. Not of those that the system gives to outgoing connections: one of these could
 * take it while the broker is down.
 */
async function freePorts() {
  for (;;) {
    const port = 20_000 + 2 * Math.floor(Math.random() * 6_000);
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
}

function encoded(value) {
  return value === null || typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value);
}

function decoded(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export class Broker {
  /** Starts a broker without topics on free ports, or on `port` and the one above it; it and its data end with the test. */
  static async startFor(t, { port } = {}) {
    const broker = new Broker(port ?? (await freePorts()), await temporaryFolder());
    t.after(async () => {
      await broker.stop();
      await remove(broker.data);
    });
    await broker.start();
    return broker;
  }

  #child = null;

  constructor(port, data) {
    this.port = port;
    this.data = data;
  }

  /** For `--kafka`. */
  get address() {
    return `127.0.0.1:${this.port}`;
  }

  /** Resolves when it answers. */
  async start() {
    // It ends with the test's process too, should that be killed.
    const script = path.join(root, 'kafka/broker.sh');
    const command = ['--pdeathsig', 'KILL', script, String(this.port), this.data];
    const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    const log = [];
    await new Promise((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          log.push(line);
          if (line.includes('Kafka Server started')) resolve();
        });
      }
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the broker ended with ${code}:\n${log.join('\n')}`)));
    });
  }

  stop() {
    return this.#end('SIGTERM');
  }

  kill() {
    return this.#end('SIGKILL');
  }

  /** Again, or anew after `kill`, on the same port with the same data. */
  async restart() {
    await this.stop();
    await this.start();
  }

  /** It comes back without topics, records and offsets, as another cluster on the same port. */
  async wipe() {
    await this.kill();
    await remove(this.data);
    await mkdir(this.data);
    await this.start();
  }

  /** Its connections stay open and nothing answers. */
  freeze() {
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
  }

  async #end(signal) {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    // A frozen one ends too.
    child.kill('SIGCONT');
    await exited;
  }

  /**
   * All records of a topic, in order within each partition: `{key, value, headers, partition, offset, timestamp}`, the
   * value parsed where it is JSON. None where there is no such topic.
   */
  async records(topic) {
    const words = ['-b', this.address, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-J', '-X', 'fetch.wait.max.ms=10'];
    let lines;
    try {
      lines = (await run('kcat', words, { timeout: 30_000, maxBuffer: 1 << 28 })).stdout.split('\n').filter(Boolean);
    } catch (problem) {
      if (problem.stderr?.includes('Unknown topic or partition')) return [];
      throw problem;
    }
    return lines.map((line) => {
      const { key, payload, headers = [], partition, offset, ts } = JSON.parse(line);
      // kcat writes headers as name, value, name, value.
      const pairs = headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1]]] : []));
      return { key, value: decoded(payload), headers: Object.fromEntries(pairs), partition, offset, timestamp: ts };
    });
  }

  /** Writes one record; resolves to `{partition, offset}` when the broker has it. `value`: text, bytes, null or what becomes JSON. */
  async produce(topic, key, value, headers = {}) {
    const producer = this.#client().producer({
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    try {
      const [{ partition, baseOffset }] = await producer.send({
        topic,
        messages: [{ key, value: encoded(value), headers }],
      });
      return { partition, offset: Number(baseOffset) };
    } finally {
      await producer.disconnect();
    }
  }

  async createTopic(topic, partitions = 12) {
    await this.admin((admin) => admin.createTopics({ topics: [{ topic, numPartitions: partitions }] }));
  }

  /**
   * How far a group is in each partition of a topic, in their order: `{partition, offset, end, lag}`; `offset` is null
   * where the group has committed nothing.
   */
  async committed(group, topic) {
    return this.admin(async (admin) => {
      const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      const committed = new Map(partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      const ends = await admin.fetchTopicOffsets(topic);
      return ends
        .map(({ partition, low, high }) => {
          const offset = committed.get(partition) ?? -1;
          const end = Number(high);
          return { partition, offset: offset < 0 ? null : offset, end, lag: end - (offset < 0 ? Number(low) : offset) };
        })
        .sort((one, other) => one.partition - other.partition);
    });
  }

  /** Resolves when a group has committed all of a topic, every partition of it; an error after `limit` milliseconds. */
  async drained(group, topic, limit = 60_000) {
    const lags = async () => (await this.committed(group, topic)).map(({ lag }) => lag);
    await until(async () => (await lags()).every((lag) => lag === 0), limit, `the jobs of ${topic}`);
  }

  /** The words for a server, or for `dlq`, that make it use topics and a group of its own at this broker. */
  options(name) {
    const topics = ['--kafka-topic', name, '--kafka-events-topic', `${name}-events`];
    return ['--kafka', this.address, ...topics, '--kafka-group', name];
  }

  /** Calls `use` with a connected admin client of kafkajs. */
  async admin(use) {
    const admin = this.#client().admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  }

  #client() {
    // A new broker says "not yet" for a moment, while it makes its own topics.
    const retry = { initialRetryTime: 50, maxRetryTime: 1_000, retries: 30 };
    return new Kafka({ clientId: 'test', brokers: [this.address], logLevel: logLevel.NOTHING, retry });
  }
}
