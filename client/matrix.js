import { h, say } from './dom.js';
import { percent } from './format.js';

/**
 * What there is of a video that is on its way, along its timeline: what has arrived of the file, and for each rendition which
 * segments are encoded and which are being encoded.
 */
export class Matrix {
  #rows = new Map();
  #summary = h('p.sr-only');

  constructor() {
    this.element = h('div.matrix', { role: 'group', 'aria-label': 'What is there', data: { testid: 'matrix' } }, [
      this.#summary,
    ]);
  }

  show({ duration, status, progress }) {
    const renditions = progress?.renditions ?? [];
    this.element.hidden = renditions.length === 0;
    if (this.element.hidden) return;
    const arrived = status === 'uploading' ? (progress.arrived ?? []) : [[0, duration]];
    this.#row('file').style.background = stripes(arrived.map(([from, to]) => [from / duration, to / duration, 'var(--soft)']));
    for (const { name, total, ready, running } of renditions) {
      const runs = [
        ...ready.map(([first, last]) => [first, last + 1, 'var(--rung, var(--accent))']),
        ...running.map((at) => [at, at + 1, 'var(--busy)']),
      ].sort(([x], [y]) => x - y);
      this.#row(name).style.background = stripes(runs.map(([from, to, colour]) => [from / total, to / total, colour]));
    }
    const names = renditions.map(({ name, done, total }) => `${name} ${percent(done / total)}`);
    say(this.#summary, `Encoded: ${names.join(', ')}`);
  }

  #row(name) {
    let row = this.#rows.get(name);
    if (!row) {
      row = h('i', { title: name, data: { rung: name } });
      this.#rows.set(name, row);
      this.element.append(row);
    }
    return row;
  }
}

/** A background with these parts of it, [from, to, colour] with 0 to 1, in colours: however many, one element draws them. */
function stripes(parts) {
  const stops = [];
  let end = 0;
  for (const [from, to, colour] of parts) {
    stops.push(`transparent ${end * 100}% ${from * 100}%`, `${colour} ${from * 100}% ${to * 100}%`);
    end = to;
  }
  stops.push(`transparent ${end * 100}%`);
  return `linear-gradient(90deg, ${stops.join(', ')}), var(--sunken)`;
}
