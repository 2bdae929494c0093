/** Names of RFC 1035, 3.1: between their bytes and text in lower case, without the last dot; the root is ''. */

/** RFC 1035, 2.3.4. */
const maxNameBytes = 255;
const maxLabelBytes = 63;
const headerBytes = 12;

/** Uncompressed, in lower case: the canonical form that TSIG signs (RFC 8945, 4.3.3). */
export function encodeName(name: string): Buffer {
  const labels = name
    .toLowerCase()
    .replace(/\.$/, '')
    .split('.')
    .filter((label) => label !== '');
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label, 'latin1');
    if (bytes.length > maxLabelBytes) throw new Error(`${name} has a label of over ${maxLabelBytes} bytes`);
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  const encoded = Buffer.concat([...parts, Buffer.from([0])]);
  if (encoded.length > maxNameBytes) throw new Error(`${name} is over ${maxNameBytes} bytes`);
  return encoded;
}

/** Letters, digits, `-` and `_`: any other byte was escaped by `readName`. */
const hostNamePattern = /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/;

export function isHostName(name: string): boolean {
  return hostNamePattern.test(name);
}

/**
 * `next` is where the name ends in the message; compression (RFC 1035, 4.1.4) may have led elsewhere. Throws for what is no name.
 * Pointers lead backwards only, so that there is no circle.
 */
export function readName(message: Buffer, start: number): { name: string; next: number } {
  const labels: string[] = [];
  let next: number | undefined;
  let lowest = start;
  let bytes = 1;
  for (let at = start; ;) {
    const length = message.readUInt8(at);
    if (length === 0) return { name: labels.join('.'), next: next ?? at + 1 };
    if (length >= 0xc0) {
      next ??= at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
      if (at >= lowest || at < headerBytes) throw new Error('a name points to no earlier name');
      lowest = at;
      continue;
    }
    if (length > maxLabelBytes) throw new Error('a label of an unknown kind');
    bytes += 1 + length;
    if (bytes > maxNameBytes) throw new Error('a name is too long');
    if (at + 1 + length > message.length) throw new Error('a name is cut off');
    labels.push(labelText(message.toString('latin1', at + 1, at + 1 + length)));
    at += 1 + length;
  }
}

/** A label may hold any byte: escaped (RFC 1035, 5.1), so that no two names look the same. */
function labelText(label: string): string {
  return label.toLowerCase().replace(/[^!-~]|[.\\]/g, (character) => `\\${String(character.charCodeAt(0)).padStart(3, '0')}`);
}
