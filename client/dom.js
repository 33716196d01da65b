/**
 * Makes an element: h("p.error", {id: "x", onclick: f, hidden: true}, "text", child). Text is text, never markup. `data`
 * takes an object of data attributes; functions become listeners, other properties are set where the element has them and
 * become attributes where not.
 */
export function h(name, ...rest) {
  const [tag, ...classes] = name.split('.');
  const svg = SVG.has(tag);
  const element = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  if (classes.length) element.setAttribute('class', classes.join(' '));
  if (rest[0]?.constructor === Object) {
    for (const [key, value] of Object.entries(rest.shift())) {
      if (key === 'data') Object.assign(element.dataset, value);
      else if (typeof value === 'function' || (!svg && key in element)) element[key] = value;
      else if (value !== undefined && value !== null) element.setAttribute(key, value);
    }
  }
  element.append(...rest.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = new Set(['svg', 'path', 'rect', 'circle']);

const ICONS = {
  pause: 'M7 5h3.5v14H7zM13.5 5H17v14h-3.5z',
  play: 'M8 5l11 7-11 7z',
  close: 'M6 6l12 12M18 6L6 18',
  retry: 'M19.5 12a7.5 7.5 0 1 1-2.2-5.3M19.5 3v4.5H15',
  bin: 'M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10.3 11v5M13.7 11v5',
  file: 'M14 3.5H6.5v17h11V7zM14 3.5V7h3.5',
};

/** A button of an icon and words; `bare` shows the words to screen readers and as a tip only. */
export function button(icon, words, onclick, { bare = false, style = '', data = {} } = {}) {
  const path = h('path', { d: ICONS[icon] });
  const label = bare ? h('span.sr-only', words) : words;
  const solid = icon === 'play' || icon === 'pause' ? 'solid' : 'line';
  const name = `button${style && `.${style}`}${bare ? '.bare' : ''}`;
  return h(name, { type: 'button', title: bare ? words : '', onclick, data }, [
    h(`svg.${solid}`, { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, path),
    label,
  ]);
}

/** Sets the text only where it changed, so that nothing is announced or selected anew. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Asks for a yes in a dialog of the page. Resolves to whether it came. */
export function confirm(question, detail, yes) {
  return new Promise((resolve) => {
    const dialog = h('dialog', { data: { testid: 'confirm' }, 'aria-labelledby': 'question' }, [
      h('form', { method: 'dialog' }, [
        h('h2', { id: 'question' }, question),
        h('p', detail),
        h('menu', [
          h('button', { value: '', autofocus: true }, 'Keep'),
          h('button.danger', { value: 'yes', data: { testid: 'confirm-yes' } }, yes),
        ]),
      ]),
    ]);
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
