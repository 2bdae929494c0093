/**
 * How many bits the code of each byte, and of the end of string (256), has: RFC 7541 appendix B. The codes themselves follow from
 * that, since they are canonical: they count up by length, then by symbol.
 */
const codeLengths = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  30,
];
const endOfString = 256;
const longestCode = 30;

/**
 * A state is an inner node of the code tree. Each step takes four bits: its entry holds the next state in the low byte and, above,
 * 1 + the byte that ended on the way (no code has fewer than five bits, so there is one at most), or is `fault`.
 */
const fault = -1;
const steps = new Int32Array(256 * 16);
/** RFC 7541 5.2: what may be left at the end is less than eight bits, all of them ones. */
const mayEnd = new Uint8Array(256);

type Node = { state: number; children: [Tree, Tree] };
type Tree = Node | number | undefined;

function buildTree(): Node {
  const root: Node = { state: 0, children: [undefined, undefined] };
  let code = 0;
  let states = 1;
  for (let length = 5; length <= longestCode; length++) {
    code <<= 1;
    for (const [symbol, symbolLength] of codeLengths.entries()) {
      if (symbolLength === length) states = addLeaf(root, code++, length, symbol, states);
    }
  }
  return root;
}

function addLeaf(root: Node, code: number, length: number, symbol: number, firstFreeState: number): number {
  let states = firstFreeState;
  let node = root;
  for (let bit = length - 1; bit > 0; bit--) {
    const side = (code >>> bit) & 1;
    node.children[side] ??= { state: states++, children: [undefined, undefined] };
    node = node.children[side] as Node;
  }
  node.children[code & 1] = symbol;
  return states;
}

function fillSteps(root: Node, node: Node): void {
  for (let nibble = 0; nibble < 16; nibble++) steps[node.state * 16 + nibble] = stepFrom(root, node, nibble);
  for (const child of node.children) if (typeof child === 'object') fillSteps(root, child);
}

function stepFrom(root: Node, from: Node, nibble: number): number {
  let node = from;
  let ended = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = node.children[(nibble >>> bit) & 1];
    // RFC 7541 5.2: the end of string inside a string is an error.
    if (next === endOfString || next === undefined) return fault;
    if (typeof next === 'number') ended = next + 1;
    node = typeof next === 'number' ? root : next;
  }
  return (ended << 8) | node.state;
}

function fillEnds(root: Node): void {
  let node: Tree = root;
  for (let bits = 0; bits < 8 && typeof node === 'object'; bits++) {
    mayEnd[node.state] = 1;
    node = node.children[1];
  }
}

const root = buildTree();
fillSteps(root, root);
fillEnds(root);

/** Decodes `bytes[start, end)` into `into`, which has room for 8/5 of it; answers how many bytes came out, -1 when it is malformed. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let length = 0;
  let state = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    const high = steps[state * 16 + (byte >>> 4)] as number;
    if (high === fault) return -1;
    if (high > 255) into[length++] = (high >>> 8) - 1;
    const low = steps[(high & 255) * 16 + (byte & 15)] as number;
    if (low === fault) return -1;
    if (low > 255) into[length++] = (low >>> 8) - 1;
    state = low & 255;
  }
  return mayEnd[state] === 1 ? length : -1;
}
