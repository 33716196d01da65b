import { h } from './dom.js';

const MOST = 80;

/**
 * A bar of cells, one a chunk or a segment; of many, each cell stands for several. Screen readers get one progress bar.
 */
export class Cells {
  #cells = [];
  #total = 0;

  constructor(label) {
    this.element = h('div.cells', {
      role: 'progressbar',
      'aria-label': label,
      'aria-valuemin': 0,
      'aria-valuemax': 100,
    });
  }

  /** `fillOf(i)`: how much of item i is there, 0 to 1. */
  show(total, fillOf) {
    if (total !== this.#total) {
      this.#total = total;
      this.#cells = Array.from({ length: Math.min(total, MOST) }, () => h('i'));
      this.element.replaceChildren(...this.#cells);
    }
    const count = this.#cells.length;
    let sum = 0;
    this.#cells.forEach((cell, at) => {
      const from = Math.floor((at * total) / count);
      const to = Math.floor(((at + 1) * total) / count);
      let fill = 0;
      for (let i = from; i < to; i++) fill += fillOf(i);
      sum += fill;
      cell.style.setProperty('--fill', `${Math.round((100 * fill) / (to - from))}%`);
    });
    this.element.setAttribute('aria-valuenow', total ? Math.floor((100 * sum) / total) : 0);
  }
}
