import { call } from './api.js';
import { confirm, h, say } from './dom.js';
import { named } from './format.js';
import { server, toast } from './page.js';

const EVERY = 2000; // ms

/**
 * The nodes that encode: each with its slots as cells, what they are doing, and a button that drains it. Asks the server by
 * itself while the page is looked at. `on.gone()`: the focus was on what is no more.
 */
export class Nodes {
  #on;
  #section;
  #list = h('ul.nodes', { data: { testid: 'nodes' } });
  #none = h('p.meta', { data: { testid: 'no-nodes' }, hidden: true }, 'No encoders are connected');
  #rows = new Map(); // name: Row
  #timer = null;
  #asking = false;

  constructor(section, on) {
    this.#on = on;
    this.#section = section;
    section.append(this.#list, this.#none);
    document.addEventListener('visibilitychange', () => this.refresh());
    this.refresh();
  }

  /** Asks now, and from time to time from now on. */
  async refresh() {
    clearTimeout(this.#timer);
    if (this.#asking || document.hidden) return;
    this.#asking = true;
    try {
      this.#show(await call(server, 'GET', '/nodes'));
    } catch {
      // The page says so when the server is away; what was seen last stays until it is back.
    }
    this.#asking = false;
    this.#timer = setTimeout(() => this.refresh(), EVERY);
  }

  #show(nodes) {
    for (const [name, row] of this.#rows) {
      if (nodes.some((node) => node.name === name)) continue;
      this.#keepFocus(row, () => row.element.remove());
      this.#rows.delete(name);
    }
    nodes.forEach((node, index) => {
      let row = this.#rows.get(node.name);
      if (!row) this.#rows.set(node.name, (row = new Row(node.name, () => this.#drain(node.name))));
      this.#keepFocus(row, () => row.show(node));
      if (this.#list.children[index] !== row.element) this.#list.insertBefore(row.element, this.#list.children[index]);
    });
    this.#section.hidden = false;
    this.#section.querySelector('h2').hidden = this.#list.hidden = nodes.length === 0;
    this.#none.hidden = nodes.length > 0;
  }

  /** Who works by keyboard goes on beside what is gone. */
  #keepFocus(row, change) {
    const focused = row.element.contains(document.activeElement);
    change();
    if (!focused || row.element.contains(document.activeElement)) return;
    const neighbour = this.#list.querySelector('button:not([hidden])');
    if (neighbour) neighbour.focus();
    else this.#on.gone();
  }

  async #drain(name) {
    const detail = `“${name}” ends what it is doing, and gets nothing more until it is started again.`;
    if (!(await confirm('Drain this node?', detail, 'Drain'))) return;
    try {
      await call(server, 'POST', `/nodes/${name}/drain`);
    } catch (error) {
      toast(error.message, 'error');
    }
    this.refresh();
  }
}

/** One node. */
class Row {
  #cells = h('div.slots', { role: 'img', data: { testid: 'slots' } });
  #doing = h('p.doing', { data: { testid: 'doing' } });
  #failures = h('span.failures');
  #speed = h('span.figure');
  #drain;

  constructor(name, drain) {
    this.#drain = h('button', { type: 'button', onclick: drain, data: { testid: 'drain' } }, 'Drain');
    this.#drain.setAttribute('aria-label', `Drain: ${name}`);
    this.element = h('li', { data: { testid: 'node', name } }, [
      h('h3', { title: name }, name),
      this.#cells,
      this.#doing,
      h('p.figures', [this.#failures, this.#speed]),
      this.#drain,
    ]);
  }

  show({ drained, slots, failures, segments_per_second: speed }) {
    const busy = slots.filter((slot) => slot.busy);
    this.element.dataset.state = drained ? 'drained' : busy.length ? 'working' : 'idle';
    this.#showSlots(slots, busy);
    const doing = words(drained, busy);
    say(this.#doing, doing);
    this.#doing.title = doing;
    say(this.#failures, failures ? `${failures} ${failures === 1 ? 'failure' : 'failures'}` : '');
    // How fast it once was says nothing of a node that rests.
    say(this.#speed, busy.length && speed ? `${speed.toFixed(speed < 10 ? 1 : 0)} segments/s` : '');
    this.#drain.hidden = drained;
  }

  #showSlots(slots, busy) {
    while (this.#cells.children.length > slots.length) this.#cells.lastElementChild.remove();
    while (this.#cells.children.length < slots.length) this.#cells.append(h('i', { data: { testid: 'slot' } }));
    slots.forEach((slot, index) => {
      const cell = this.#cells.children[index];
      cell.dataset.state = slot.busy ? 'busy' : slot.drained ? 'drained' : 'idle';
      cell.classList.toggle('on-demand', slot.on_demand);
      const name = slot.on_demand ? `Slot ${slot.slot}, for viewers` : `Slot ${slot.slot}`;
      cell.title = `${name}: ${slot.busy ? `${titleOf(slot)}: ${partOf(slot)}` : cell.dataset.state}`;
    });
    const count = `${slots.length} ${slots.length === 1 ? 'slot' : 'slots'}`;
    this.#cells.setAttribute('aria-label', `${count}, ${busy.length} busy`);
  }
}

function words(drained, busy) {
  const byVideo = new Map();
  for (const slot of busy) {
    const known = byVideo.get(slot.video_hash);
    if (known) known.push(slot);
    else byVideo.set(slot.video_hash, [slot]);
  }
  const tasks = [...byVideo.values()].map((slots) => {
    const segments = slots.filter(({ segment }) => segment !== undefined).map(({ segment }) => segment);
    if (segments.length === 0) return `${titleOf(slots[0])}: ${partOf(slots[0])}`;
    segments.sort((a, b) => a - b);
    return `${titleOf(slots[0])}: ${segments.length === 1 ? 'segment' : 'segments'} ${segments.join(', ')}`;
  });
  const all = tasks.join(' · ');
  if (drained) return all ? `${all} · then drained` : 'Drained until it is started again';
  return all || 'Idle';
}

function titleOf({ title, video_hash: hash }) {
  return title ? named(title) : hash.slice(0, 12);
}

function partOf({ segment }) {
  return segment === undefined ? 'looking at the file' : `segment ${segment}`;
}
