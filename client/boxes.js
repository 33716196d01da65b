const FIRST = ['ftyp', 'moov', 'mdat', 'free', 'skip', 'wide', 'pnot']; // QuickTime's files have no `ftyp`
const MOST = 64; // boxes at the top level before it is no video that we know

/**
 * Where the index (`moov`) of an MP4 or MOV is, as [begin, end); null where it has none. Of the file only the headers of its
 * boxes are read (ISO/IEC 14496-12 section 4.2).
 */
export async function findIndex(file) {
  for (let at = 0, boxes = 0; at + 8 <= file.size && boxes < MOST; boxes++) {
    const header = new DataView(await file.slice(at, at + 16).arrayBuffer());
    const type = String.fromCharCode(...[4, 5, 6, 7].map((i) => header.getUint8(i)));
    if (boxes === 0 && !FIRST.includes(type)) return null;
    let size = header.getUint32(0);
    if (size === 1 && header.byteLength === 16) size = Number(header.getBigUint64(8));
    else if (size === 0) size = file.size - at; // to the end
    if (size < 8 || at + size > file.size) return null;
    if (type === 'moov') return [at, at + size];
    at += size;
  }
  return null;
}
