// A relay of TCP connections that holds back what goes through it, as a long way does: not every kernel has tc's netem.

import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export class Relay {
  #sockets = new Set();

  /** Milliseconds that each piece is held back, in either direction. */
  latency = 0;

  /** Takes connections at these ports of `address`, on to the same ports of `to`; ends with the test. */
  static async startFor(t, { address, to, ports }) {
    const relay = new Relay();
    for (const port of ports) {
      const server = net.createServer({ allowHalfOpen: true }, (socket) => {
        const onward = net.connect({ host: to, port, allowHalfOpen: true });
        relay.#carry(socket, onward);
        relay.#carry(onward, socket);
      });
      server.listen(port, address);
      await once(server, 'listening');
      t.after(() => server.close());
    }
    t.after(() => {
      for (const socket of relay.#sockets) socket.destroy();
    });
    return relay;
  }

  /** In order, whatever happens to `latency` meanwhile. Its peers bound what is under way, so this does not. */
  #carry(from, onward) {
    let before = Promise.resolve();
    const later = (act) => {
      const due = delay(this.latency);
      before = before.then(() => due).then(act);
    };
    this.#sockets.add(from);
    from.setNoDelay();
    from.on('data', (piece) => later(() => onward.write(piece)));
    from.on('end', () => later(() => onward.end()));
    from.on('error', () => {}); // 'close' comes after it
    from.on('close', () => {
      this.#sockets.delete(from);
      later(() => onward.destroySoon());
    });
  }
}
