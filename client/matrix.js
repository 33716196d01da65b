import { h } from './dom.js';
import { endsOf } from './grid.js';

/**
 * What there is of a video that is on its way, along its timeline, as wide as the position bar: what has arrived of the file, and
 * for each rendition which segments are encoded and which are being encoded. A click goes there (the bar does from the keyboard).
 */
export class Matrix {
  #rows = new Map();
  #video = null;
  #length = 0;
  #ends = [];

  /** `seek(at)`: a place was clicked. */
  constructor(seek) {
    this.element = h('div.matrix', { role: 'group', 'aria-label': 'What is there', hidden: true, data: { testid: 'matrix' } });
    this.element.onclick = ({ clientX }) => {
      const { left, width } = this.element.getBoundingClientRect();
      if (this.#length) seek(((clientX - left) / width) * this.#length);
    };
  }

  show(video) {
    this.#video = video;
    this.#draw();
  }

  /** `length`: of the position bar; `ends`: where the segments end that the manifests list. Both in seconds. */
  measure(length, ends) {
    if (length === this.#length && ends === this.#ends) return;
    this.#length = length;
    this.#ends = ends;
    this.#draw();
  }

  #draw() {
    const { duration, status, progress, received_chunks: received, total_chunks: chunks } = this.#video;
    const renditions = progress?.renditions ?? [];
    this.element.hidden = renditions.length === 0;
    if (this.element.hidden) return;
    const length = this.#length || duration || 1;
    const share = status === 'uploading' ? received / chunks : 1;
    this.#row('File', share, arrivedOf(progress.arrived ?? [], share, length));
    this.#prune(['File', ...renditions.map(({ name }) => name)]);
    for (const { name, done, total, ready, running } of renditions) {
      const ends = endsOf(total, this.#ends, length);
      const run = (first, last, colour) => [(ends[first - 1] ?? 0) / length, ends[last] / length, colour];
      const runs = [
        ...ready.map(([first, last]) => run(first, last, 'var(--rung, var(--accent))')),
        ...running.map((at) => run(at, at, 'var(--busy)')),
      ];
      this.#row(name, total ? done / total : 0, runs.sort(([x], [y]) => x - y));
    }
  }

  /** A video that is planned anew may have other renditions. */
  #prune(names) {
    for (const [name, row] of this.#rows) {
      if (names.includes(name)) continue;
      row.remove();
      this.#rows.delete(name);
    }
  }

  #row(name, share, parts) {
    let row = this.#rows.get(name);
    if (!row) {
      const range = { 'aria-valuemin': 0, 'aria-valuemax': 100 };
      row = h('i', { role: 'progressbar', title: name, 'aria-label': name, ...range, data: { rung: name } });
      this.#rows.set(name, row);
      this.element.append(row);
    }
    row.setAttribute('aria-valuenow', Math.floor(100 * share));
    row.style.background = stripes(parts);
  }
}

/** Parts of the row of the file: where in time it is that has arrived, and where nobody can tell, how much of the file it is. */
function arrivedOf(spans, share, length) {
  const parts = share < 1 && spans.length > 0 ? spans.map(([from, to]) => [from / length, to / length]) : [[0, share]];
  return parts.map(([from, to]) => [from, to, 'var(--soft)']);
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
