import { Hub } from './hub.js';

/**
 * A page's connection to the hub. In a SharedWorker all tabs have one hub, and uploads go on while you walk from page to page.
 * Where there is none (Chrome on Android) the page has a hub of its own, and uploads last as long as the page.
 */
export class Link {
  #port;
  #on;
  /** Whether uploads survive that this page is left. */
  outlivesPage = false;

  /** `on`: what to do with the hub's messages, by type; `on.alone()`: this page has a hub of its own. */
  constructor(server, on) {
    this.#on = on;
    if (!globalThis.SharedWorker || !this.#share(server)) this.#alone(server);
    addEventListener('pagehide', () => this.post({ type: 'bye' }));
    addEventListener('pageshow', ({ persisted }) => persisted && this.post({ type: 'hello' }));
  }

  post(message) {
    this.#port.postMessage(message);
  }

  #attach(port) {
    this.#port = port;
    port.onmessage = ({ data }) => this.#on[data.type]?.(data);
    this.post({ type: 'hello' });
  }

  #share(server) {
    let asked = false;
    const options = {
      type: 'module',
      name: server,
      // A little longer than the last page, so that a reload does not interrupt anything. Not every browser asks.
      get extendedLifetime() {
        asked = true;
        return true;
      },
    };
    try {
      const worker = new SharedWorker(new URL('shared-worker.js', import.meta.url), options);
      // Some have shared workers but no modules in them, and say so only now.
      worker.onerror = () => this.#alone(server);
      this.outlivesPage = asked;
      this.#attach(worker.port);
      return true;
    } catch {
      return false;
    }
  }

  #alone(server) {
    const { port1, port2 } = new MessageChannel();
    new Hub(server).attach(port2);
    this.outlivesPage = false;
    this.#attach(port1);
    this.#on.alone?.();
  }
}
