/** Files from people: the browser's dialog, and drops anywhere on the page. Each is {file, handle?}. */

const input = document.querySelector('#files');

/**
 * The browser's file dialog. Where it gives handles, an upload can go on later without asking for the file again; elsewhere
 * the files come through `onPicked`.
 */
export async function chooseFiles({ multiple = true } = {}) {
  if (globalThis.showOpenFilePicker) {
    try {
      const handles = await showOpenFilePicker({ multiple });
      return await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle })));
    } catch (error) {
      if (error.name === 'AbortError') return [];
    }
  }
  input.multiple = multiple;
  input.click();
  return [];
}

/** Files that were chosen in a dialog without handles. */
export function onPicked(take) {
  input.onchange = () => {
    take([...input.files].map((file) => ({ file })));
    input.value = '';
  };
}

/** Files that are dropped anywhere. While some hang over the page, its body has the class `dragging`. */
export function onDrop(take) {
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
  let depth = 0;
  addEventListener('dragenter', (event) => {
    if (carriesFiles(event) && ++depth === 1) document.body.classList.add('dragging');
  });
  addEventListener('dragleave', (event) => {
    if (carriesFiles(event) && --depth <= 0) document.body.classList.remove('dragging');
  });
  addEventListener('dragover', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
  });
  addEventListener('drop', async (event) => {
    depth = 0;
    document.body.classList.remove('dragging');
    if (!carriesFiles(event)) return;
    event.preventDefault();
    take(await droppedFiles(event.dataTransfer));
  });
}

/** Folders are left out. */
async function droppedFiles(transfer) {
  // The items are only there until the first await.
  const dropped = [...transfer.items]
    .filter((item) => item.kind === 'file' && !item.webkitGetAsEntry?.()?.isDirectory)
    .map((item) => ({ file: item.getAsFile(), handle: item.getAsFileSystemHandle?.() }))
    .filter(({ file }) => file);
  return Promise.all(
    dropped.map(async ({ file, handle }) => ({ file, handle: (await handle?.catch(() => null)) ?? undefined })),
  );
}
