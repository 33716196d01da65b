const HEAD = 2 << 20; // bytes that are sent right behind the index: with both a video can be watched

/** These chunks in the order in which they are best sent: those with the index, those of the beginning, the others. */
export function inSendingOrder(missing, { index, chunkSize, size }) {
  const first = [...(index ? chunksOf(...index, chunkSize) : []), ...chunksOf(0, Math.min(HEAD, size), chunkSize)];
  return putFirst(missing, first);
}

/** Those of `wanted` that are among the chunks go before all others, in their order. */
export function putFirst(chunks, wanted) {
  const here = new Set(chunks);
  const first = new Set(wanted.filter((index) => here.has(index)));
  return [...first, ...chunks.filter((index) => !first.has(index))];
}

function chunksOf(begin, end, chunkSize) {
  const indexes = [];
  for (let index = Math.floor(begin / chunkSize); index * chunkSize < end; index++) indexes.push(index);
  return indexes;
}
