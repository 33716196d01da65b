/** SHA-256 (FIPS 180-4), for pages where the browser withholds its own. Answers 32 bytes in an ArrayBuffer. */
export function sha256(bytes) {
  const { K, H } = CONSTANTS;
  const hash = Uint32Array.from(H);
  const w = new Uint32Array(64);
  const block = new DataView(padded(bytes));
  const rotate = (x, n) => (x >>> n) | (x << (32 - n));

  for (let at = 0; at < block.byteLength; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = block.getUint32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i++) {
      const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [a, b, c, d, e, f, g, h] = [(t1 + t2) | 0, a, b, c, (d + t1) | 0, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (hash[i] += word));
  }

  const out = new DataView(new ArrayBuffer(32));
  hash.forEach((word, i) => out.setUint32(4 * i, word));
  return out.buffer;
}

/** The message, a 1 bit, zeros, and its length in bits, to a multiple of 64 bytes. */
function padded(bytes) {
  const out = new Uint8Array((Math.floor((bytes.length + 8) / 64) + 1) * 64);
  out.set(bytes);
  out[bytes.length] = 0x80;
  new DataView(out.buffer).setBigUint64(out.length - 8, BigInt(bytes.length) * 8n);
  return out.buffer;
}

/** The first 32 bits of the fractions of the roots of the first primes: cube roots for K, square roots for H. */
const CONSTANTS = (() => {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32);
  return { K: primes.map((p) => fraction(Math.cbrt(p))), H: primes.slice(0, 8).map((p) => fraction(Math.sqrt(p))) };
})();
