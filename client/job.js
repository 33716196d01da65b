import { Cells } from './cells.js';
import { button, h, say } from './dom.js';
import { bytes, named, percent, timeLeft } from './format.js';
import { pageUrl, serverUrl } from './page.js';

const STAGES = ['Upload', 'Queue', 'Encode', 'Ready'];
const STAGE_OF = { uploading: 0, queued: 1, processing: 2, completed: 3, failed: -1 };
const PHASES = { analyzing: 'Looking at the file', encoding: 'Encoding', packaging: 'Writing the manifests' };

/**
 * One video on its way: which stage it is in, its chunks while it is sent, its segments of every rendition while it is
 * encoded, and what can be done about it.
 *
 * `act.pause(key)`, `act.resume(key)`, `act.cancel(key, name)`, `act.retry(hash)`, `act.remove(hash, name)`,
 * `act.choose(video)`: the same file is wanted again.
 */
export class Job {
  #act;
  #poster = h('img', { alt: '', hidden: true });
  #title = h('a');
  #steps = STAGES.map((name) => h('li', name));
  #chunks = new Cells('Upload');
  #line = h('p.line', { data: { testid: 'line' } });
  #error = h('p.error', { data: { testid: 'error' }, hidden: true });
  #rungs = h('div.rungs', { data: { testid: 'rungs' } });
  #rows = new Map();
  #actions = h('div.actions');
  #watch = h('a.watch', { data: { testid: 'watch' }, hidden: true }, 'Watch');
  #shown = '';

  constructor(act) {
    this.#act = act;
    this.element = h('li.job', { data: { testid: 'job' } }, [
      this.#poster,
      h('div.head', [h('h3', this.#title), this.#watch, this.#actions]),
      h('ol.stages', { 'aria-label': 'Stage' }, this.#steps),
      this.#chunks.element,
      this.#rungs,
      this.#line,
      this.#error,
    ]);
  }

  /**
   * `video` or `upload` may be missing, `elsewhere` tells that chunks arrive from another browser. `watch`: offer to watch what
   * can be watched by now, 'here' or in a 'tab' of its own.
   */
  show(video, upload, { known = null, elsewhere = false, watch = null } = {}) {
    const status = video?.status ?? 'uploading';
    const state = upload && status === 'uploading' ? upload.state : status;
    Object.assign(this.element.dataset, { hash: video?.video_hash ?? upload?.hash ?? '', status, state });
    say(this.#title, named(video?.title ?? upload.title));
    if (video) this.#title.href = pageUrl('streaming.html', { v: video.video_hash });
    const poster = serverUrl(video?.thumbnail_url);
    if (poster && this.#poster.src !== poster) this.#poster.src = poster;
    this.#poster.hidden = !poster;
    this.#watch.hidden = !watch || !video?.hls_url;
    this.#watch.href = this.#title.href;
    this.#watch.target = watch === 'tab' ? '_blank' : '';
    this.#watch.setAttribute('aria-label', `Watch: ${named(video?.title ?? upload.title)}`);
    this.#showStage(status, state);
    this.#showChunks(status, video, upload);
    this.#showRungs(status, video?.progress);
    say(this.#line, this.#words(status, video, upload, known, elsewhere));
    const error = status === 'failed' ? video.error || 'It failed, and the server did not say why.' : '';
    const trouble = upload?.state === 'failed' ? upload.trouble : '';
    this.#error.hidden = !(error || trouble);
    say(this.#error, error || trouble || '');
    this.#showActions(status, state, video, upload, known, elsewhere);
  }

  #showStage(status, state) {
    const at = STAGE_OF[status];
    this.#steps.forEach((step, index) => {
      step.dataset.state = at < 0 ? 'off' : index < at ? 'done' : index === at ? 'now' : 'next';
      if (index === at) step.setAttribute('aria-current', 'step');
      else step.removeAttribute('aria-current');
    });
    this.element.classList.toggle('stopped', status === 'failed' || state === 'failed');
  }

  #showChunks(status, video, upload) {
    this.#chunks.element.hidden = status !== 'uploading';
    if (status !== 'uploading') return;
    if (upload?.present.length) {
      const flying = new Map(upload.flying);
      this.#chunks.show(upload.present.length, (i) => (upload.present[i] ? 1 : (flying.get(i) ?? 0)));
    } else {
      const total = video?.total_chunks ?? 1;
      this.#chunks.show(total, (i) => (i < (video?.received_chunks ?? 0) ? 1 : 0));
    }
  }

  #showRungs(status, progress) {
    const rungs = status === 'processing' || status === 'uploading' ? (progress?.renditions ?? []) : [];
    this.#rungs.hidden = rungs.length === 0;
    for (const { name, done, total, ready } of rungs) {
      let row = this.#rows.get(name);
      if (!row) {
        row = { cells: new Cells(name), count: h('span.figure') };
        const label = h('span', name);
        row.element = h('div.rung', { data: { rung: name, testid: 'rung' } }, [label, row.cells.element, row.count]);
        this.#rows.set(name, row);
        this.#rungs.append(row.element);
      }
      row.cells.show(total, (i) => (ready.some(([first, last]) => first <= i && i <= last) ? 1 : 0));
      say(row.count, `${done}/${total}`);
    }
    for (const [name, row] of this.#rows) {
      if (rungs.some((rung) => rung.name === name)) continue;
      row.element.remove();
      this.#rows.delete(name);
    }
  }

  #words(status, video, upload, known, elsewhere) {
    if (status === 'queued') return 'Waiting for an encoder';
    if (status === 'processing') {
      const { phase, segments_done: done, segments_total: total, eta_seconds: eta } = video.progress ?? {};
      const count = total ? `${done} of ${total} segments` : '';
      return [PHASES[phase] ?? 'Starting', count, timeLeft(eta)].filter(Boolean).join(' · ');
    }
    if (status !== 'uploading') return '';
    if (upload) return uploadWords(upload);
    const share = percent(video.received_chunks / video.total_chunks);
    if (elsewhere) return `${share} · arriving from another place`;
    if (known?.handle) return `${share} is there · press Go on to send the rest of “${known.name}”`;
    return `${share} is there · drop ${known ? `“${known.name}”` : 'the same file'} again to go on`;
  }

  #showActions(status, state, video, upload, known, elsewhere) {
    const shown = [status, state, upload?.key, Boolean(known?.handle), elsewhere].join();
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = this.#actions.contains(document.activeElement);
    const act = this.#act;
    const name = named(video?.title ?? upload.title);
    const make = (testid, icon, words, run, options = {}) => {
      const element = button(icon, words, run, { ...options, data: { testid } });
      element.setAttribute('aria-label', `${words}: ${name}`);
      return element;
    };
    const remove = () => make('delete', 'bin', 'Delete', () => act.remove(video.video_hash, name), { bare: true });
    const cancel = () => make('cancel', 'close', 'Cancel', () => act.cancel(upload.key, name), { bare: true });
    const buttons = [];
    if (status === 'uploading' && upload) {
      if (state === 'running') buttons.push(make('pause', 'pause', 'Pause', () => act.pause(upload.key)));
      if (state === 'paused') buttons.push(make('resume', 'play', 'Resume', () => act.resume(upload.key)));
      if (state === 'failed') buttons.push(make('again', 'retry', 'Try again', () => act.resume(upload.key)));
      buttons.push(cancel());
    } else if (status === 'uploading') {
      if (!elsewhere) buttons.push(make('go-on', 'file', 'Go on', () => act.choose(video)));
      buttons.push(remove());
    } else {
      if (status === 'failed') buttons.push(make('retry', 'retry', 'Retry', () => act.retry(video.video_hash)));
      buttons.push(remove());
    }
    this.#actions.replaceChildren(...buttons);
    if (focused) this.#actions.firstElementChild?.focus();
  }
}

function uploadWords({ state, phase, sent, size, rate, eta, trouble }) {
  const amount = `${bytes(sent)} of ${bytes(size)}`;
  if (state === 'paused') return `Paused · ${amount}`;
  if (state === 'failed') return `Stopped · ${amount}`;
  if (trouble) return `${trouble} Trying again · ${amount}`;
  if (phase === 'init') return 'Reading the file';
  if (phase === 'finalize') return 'Finishing';
  return [percent(sent / size), amount, rate ? `${bytes(rate)}/s` : '', timeLeft(eta)].filter(Boolean).join(' · ');
}
