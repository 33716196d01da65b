const PATIENCE = 45_000; // the server says something at least every 15 s
const LONGEST_PAUSE = 5_000;

/**
 * Follows the server's event stream for ever. After a break it goes on behind the last event it saw (`Last-Event-ID`).
 *
 * It reads the stream with fetch, not EventSource: that one can't be told to try again now, hides a connection that died
 * silently, and gives up for good when the server answers with an error once.
 */
export class EventFeed {
  #url;
  #on;
  #lastId = null;
  #pause = 0;
  #wake = null;
  #abort = null;
  #closed = false;

  /** `on.opened()`, `on.event({id, kind, data})`, `on.lost()`. */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
  }

  /** Runs until it is closed. */
  async run() {
    while (!this.#closed) {
      try {
        await this.#read();
      } catch {
        // Said below, whatever it was.
      }
      if (this.#closed) return;
      this.#on.lost();
      this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2 || 250);
      await new Promise((wake) => {
        const timer = setTimeout(wake, this.#pause);
        this.#wake = () => {
          clearTimeout(timer);
          wake();
        };
      });
    }
  }

  close() {
    this.#closed = true;
    this.reconnect();
  }

  /** There is reason to believe that the server can be reached: try now. */
  poke() {
    this.#wake?.();
  }

  /** The server does all that is wanted of it: after the next break the first pause is short again. */
  settle() {
    this.#pause = 0;
  }

  /** There is reason to believe that the connection is dead: take another. */
  reconnect() {
    this.#abort?.abort();
    this.poke();
  }

  async #read() {
    const abort = new AbortController();
    this.#abort = abort;
    let watchdog = setTimeout(() => abort.abort(), PATIENCE);
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), PATIENCE);
    };
    try {
      const response = await fetch(this.#url, {
        headers: this.#lastId === null ? {} : { 'Last-Event-ID': this.#lastId },
        cache: 'no-store',
        signal: abort.signal,
      });
      if (!response.ok || !response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
        await response.body?.cancel();
        return;
      }
      alive();
      this.#on.opened();

      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        alive();
        const blocks = (rest + value).replaceAll('\r\n', '\n').split('\n\n');
        rest = blocks.pop();
        for (const block of blocks) this.#dispatch(block);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  #dispatch(block) {
    const fields = { event: 'message', data: [] };
    for (const line of block.split('\n')) {
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
      if (name === 'data') fields.data.push(value);
      else if (name === 'id' || name === 'event') fields[name] = value;
    }
    if (fields.id !== undefined) this.#lastId = fields.id;
    if (fields.data.length === 0) return;
    let data;
    try {
      data = JSON.parse(fields.data.join('\n'));
    } catch {
      return;
    }
    this.#on.event({ id: fields.id, kind: fields.event, data });
  }
}
