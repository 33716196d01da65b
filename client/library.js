import { actionsFor } from './actions.js';
import { Card } from './card.js';
import { say } from './dom.js';
import { chooseFiles, onDrop, onPicked } from './files.js';
import { bytes, named } from './format.js';
import { Job } from './job.js';
import { remembered } from './memory.js';
import { Nodes } from './nodes.js';
import { connect, server, toast } from './page.js';

const ARRIVING = 10_000; // ms since the last chunk from elsewhere

const $ = (selector) => document.querySelector(selector);
const lists = { active: $('#active ul'), library: $('#library ul') };

const videos = new Map(); // hash: video
const uploads = new Map(); // key: upload
const items = new Map(); // hash, or key before there is one: what shows it
const arrivals = new Map(); // hash: when its last chunk came
let known = new Map(); // hash: what this browser remembers of an upload
let loaded = false;
let expected = null; // the video whose file was asked for

// -- what the hub says ---------------------------------------------------------------------------------------------------

const link = connect({
  state(message) {
    uploads.clear();
    for (const upload of message.uploads) uploads.set(upload.key, upload);
    loaded = message.online !== null;
    replaceVideos(message.videos);
  },
  videos(message) {
    loaded = true;
    replaceVideos(message.videos);
  },
  video({ video }) {
    const before = videos.get(video.video_hash);
    if (before && video.received_chunks > before.received_chunks) arrived(video.video_hash);
    if (before && before.status !== video.status) announce(video);
    videos.set(video.video_hash, video);
    if (!before && video.status === 'uploading') refreshKnown();
    render();
  },
  gone({ hash }) {
    videos.delete(hash);
    render();
  },
  upload({ upload }) {
    uploads.set(upload.key, upload);
    render();
  },
  ended({ key }) {
    uploads.delete(key);
    refreshKnown();
    render();
  },
  back: () => nodes.refresh(),
  alone() {
    say($('#shared-note'), 'This browser has no shared workers: keep this page open while files are sent.');
    $('#shared-note').hidden = false;
  },
});

const nodes = new Nodes($('#nodes'), { gone: () => $('#choose').focus() });

function replaceVideos(list) {
  videos.clear();
  for (const video of list) videos.set(video.video_hash, video);
  refreshKnown();
  render();
}

async function refreshKnown() {
  known = new Map((await remembered(server)).map((record) => [record.hash, record]));
  render();
}

function arrived(hash) {
  arrivals.set(hash, Date.now());
  setTimeout(render, ARRIVING + 100);
}

function announce({ title, status }) {
  const name = named(title);
  if (status === 'completed') toast(`“${name}” is ready to watch.`);
  if (status === 'failed') toast(`“${name}” failed.`, 'error');
}

// -- what is shown -------------------------------------------------------------------------------------------------------

let rendering = false;

/** Shows everything anew, once a frame at most. */
function render() {
  if (rendering) return;
  rendering = true;
  requestAnimationFrame(() => {
    rendering = false;
    show();
  });
}

function show() {
  const byHash = new Map();
  for (const upload of uploads.values()) if (upload.hash) byHash.set(upload.hash, upload);

  // A job keeps its element when the upload gets its hash.
  for (const [hash, { key }] of byHash) {
    if (items.has(key) && !items.has(hash)) items.set(hash, items.get(key));
    items.delete(key);
  }

  const active = [];
  const library = [];
  const wanted = new Set();
  for (const upload of uploads.values()) {
    if (upload.hash && videos.has(upload.hash)) continue;
    wanted.add(upload.hash ?? upload.key);
    active.push(showJob(upload.hash ?? upload.key, null, upload));
  }
  const newestFirst = [...videos.values()].sort((a, b) => b.id - a.id);
  for (const video of newestFirst) {
    const hash = video.video_hash;
    wanted.add(hash);
    if (video.status === 'completed') library.push(showCard(hash, video));
    else active.push(showJob(hash, video, byHash.get(hash)));
  }
  for (const id of items.keys()) if (!wanted.has(id)) items.delete(id);

  place(lists.active, active);
  place(lists.library, library);
  $('#active').hidden = active.length === 0;
  $('#empty').hidden = !loaded || library.length > 0;
  document.body.classList.toggle('fresh', loaded && active.length + library.length === 0);
}

function showJob(id, video, upload) {
  if (!(items.get(id) instanceof Job)) items.set(id, new Job(actions));
  const job = items.get(id);
  const elsewhere = Date.now() - (arrivals.get(id) ?? -ARRIVING) < ARRIVING;
  job.show(video, upload, { known: known.get(id), elsewhere, watch: needsTab() ? 'tab' : 'here' });
  return job.element;
}

function showCard(id, video) {
  if (!(items.get(id) instanceof Card)) items.set(id, new Card(actions));
  const card = items.get(id);
  card.show(video, { newTab: needsTab() });
  return card.element;
}

/** Where leaving the page would end the uploads, it is not left. */
function needsTab() {
  return uploads.size > 0 && !link.outlivesPage;
}

/** Makes these the children of a list, moving only what is not where it belongs: what moves loses the focus. */
function place(list, elements) {
  const focused = [...list.children].findIndex((child) => child.contains(document.activeElement));
  for (const child of [...list.children]) if (!elements.includes(child)) child.remove();
  elements.forEach((element, index) => {
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
  // Who works by keyboard goes on beside what is gone.
  if (focused >= 0 && document.activeElement === document.body) {
    const neighbour = list.children[Math.min(focused, elements.length - 1)]?.querySelector('a, button');
    (neighbour ?? $('#choose')).focus();
  }
}

// -- what people do ------------------------------------------------------------------------------------------------------

const actions = {
  ...actionsFor(link),
  async choose(video) {
    const handle = known.get(video.video_hash)?.handle;
    if (handle) {
      try {
        const granted = (await handle.requestPermission?.({ mode: 'read' })) === 'granted';
        if (granted) return send([{ file: await handle.getFile(), handle }], video);
      } catch {
        toast('The file is not where it was. Choose it again.');
      }
    }
    expected = video;
    send(await chooseFiles({ multiple: false }), video);
  },
};

/** Gives files to the hub. With `video`, only the file that was begun there will do. */
function send(files, video) {
  const fitting = files.filter(({ file }) => !video || file.size === video.file_size);
  if (fitting.length < files.length) {
    toast(`That is another file: the upload was begun with one of ${bytes(video.file_size)}.`, 'error');
  }
  if (fitting.length) link.post({ type: 'add', files: fitting });
}

$('#choose').onclick = async () => {
  expected = null;
  send(await chooseFiles());
};
onPicked((files) => send(files, expected));
onDrop((files) => send(files));

addEventListener('beforeunload', (event) => {
  const running = [...uploads.values()].some(({ state }) => state === 'running');
  if (running && !link.outlivesPage) event.preventDefault();
});
setInterval(render, 30_000); // "3 min ago"
