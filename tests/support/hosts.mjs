// Hosts as network namespaces, on a network of their own: this process' namespace is the switch. Wants root.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { folderFor, program, run, until } from './vidpipeline.mjs';

export const skip = process.getuid() === 0 ? false : 'network namespaces want root';

/** Runs this test file once more in a network namespace of its own, unless that has been done; true inside. */
export function insideOwnNetwork(file) {
  if (skip || process.env.VIDPIPELINE_TEST_NETWORK) return true;
  // Without what tells the test runner that it runs in itself.
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const { status } = spawnSync('unshare', ['--net', process.execPath, '--test', file], {
    stdio: 'inherit',
    env: { ...environment, VIDPIPELINE_TEST_NETWORK: '1' },
  });
  process.exitCode = status ?? 1;
  return false;
}

const ip = (...words) => run('ip', words);

export class Hosts {
  /** The switch's own, where this process is. */
  address = '10.77.0.254';
  #bridge = false;
  #hosts = [];

  static startFor(t) {
    const hosts = new Hosts();
    t.after(() => hosts.end());
    return hosts;
  }

  /**
   * A host with this number; resolves to it:
   * `{address, within, down(), up(), shape(words), lose(percent), mend(), processes()}`.
   */
  async add(number) {
    if (!this.#bridge) {
      await ip('link', 'set', 'lo', 'up');
      await ip('link', 'add', 'vp-switch', 'type', 'bridge');
      await ip('addr', 'add', `${this.address}/24`, 'dev', 'vp-switch');
      await ip('link', 'set', 'vp-switch', 'up');
      this.#bridge = true;
    }
    const name = `vp-${process.pid}-${number}`;
    const outer = `vp-host${number}`;
    const table = `netdev vp_host${number}`;
    await ip('netns', 'add', name);
    this.#hosts.push({ name, outer });
    await ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    await ip('link', 'set', outer, 'master', 'vp-switch', 'up');
    const address = `10.77.0.${number}`;
    await ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    await ip('-n', name, 'link', 'set', 'lo', 'up');
    await ip('-n', name, 'link', 'set', 'eth0', 'up');
    const shape = async (...words) => {
      await run('tc', ['qdisc', 'replace', 'dev', outer, 'root', ...words]);
      await run('tc', ['-n', name, 'qdisc', 'replace', 'dev', 'eth0', 'root', ...words]);
    };
    const nft = (...commands) => run('nft', [commands.join('; ')]);
    return {
      address,
      within: ['ip', 'netns', 'exec', name],
      down: () => ip('link', 'set', outer, 'down'),
      up: () => ip('link', 'set', outer, 'up'),
      /** What goes to the host and what comes from it, as `tc` says it. */
      shape,
      /** So many percent of the packets to the host are lost, and of those from it. */
      lose: async (percent) => {
        const chains = ['egress', 'ingress'].flatMap((hook) => [
          `add chain ${table} ${hook} { type filter hook ${hook} device "${outer}" priority 0; }`,
          `add rule ${table} ${hook} numgen random mod 100 < ${percent} drop`,
        ]);
        await nft(`add table ${table}`, ...chains);
      },
      /** Ends what `shape` and `lose` did. */
      mend: async () => {
        await shape('noqueue');
        await nft(`add table ${table}`, `delete table ${table}`);
      },
      /** The ids of the processes that run there. */
      processes: async () => {
        const { stdout } = await run('ip', ['netns', 'pids', name]);
        return stdout.split('\n').filter(Boolean).map(Number);
      },
    };
  }

  async end() {
    for (const { name, outer } of this.#hosts) {
      await ip('link', 'del', outer); // the namespace stays as long as somebody ends in it
      await ip('netns', 'del', name);
    }
    if (this.#bridge) await ip('link', 'del', 'vp-switch');
  }
}

/** An authority with the certificates of these workers; resolves to the folder of each, as it would be on its host. */
export async function makeCertificates(t, names) {
  const folder = await folderFor(t);
  const of = (name) => path.join(folder, name);
  const certs = (...words) => run(program, ['certs', ...words, '--folder', of('server')]);
  await certs('init');
  for (const name of names) {
    await certs('issue', name);
    await mkdir(of(name));
    for (const file of [`${name}.pem`, `${name}.key`, 'ca.pem'])
      await copyFile(path.join(of('server'), file), path.join(of(name), file));
  }
  return of;
}

/** A `vidpipeline worker` on a host; ends with the test. `{child, log, exited}` */
export function startWorker(t, host, words, { binary = program } = {}) {
  const command = [...host.within, binary, 'worker', ...words];
  const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const worker = { child, log: [], exited: once(child, 'exit').then(([status]) => status) };
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => worker.log.push(line));
  t.after(async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await worker.exited;
    clearTimeout(late);
  });
  return worker;
}

/** Waits until a server's nodes have these many slots: `{alpha: 2}`. */
export function nodesJoin(server, wanted, limit = 30_000) {
  const here = async () => {
    const { body } = await server.get('/nodes');
    const slots = Object.fromEntries(body.map((node) => [node.name, node.slots.length]));
    return JSON.stringify(slots) === JSON.stringify(wanted);
  };
  return until(here, limit, `${JSON.stringify(wanted)} joining`);
}
