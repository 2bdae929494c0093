import type { Random } from './random.ts';

/** What mutations put in or take from. */
export interface Material {
  /** Whole streams. */
  seeds: readonly string[];
  /** Bytes and words that parsers trip over. */
  tokens: readonly string[];
  /** Field lines, without their ends. */
  lines: readonly string[];
}

type Mutation = (text: string, random: Random, material: Material) => string;

const lineEnds = ['\n', '\r', '\r\n\r\n', '\n\r', '\r\r\n', '\n\n', ' \r\n', '\r\n ', '\r\n\t', '', '\0\r\n', '\r\n\r\n\r\n'];
const blanks = ['', ' ', '\t', '  ', '\u000b', '\u000c', ' \t ', '\u00a0', '\0', '\r\n ', '\r', '\n'];

const chunkSize = /(?<=\r\n)[0-9a-f]+(?=[;\r])/gi;

const mutations: readonly Mutation[] = [
  function changeByte(text, random) {
    const at = random.below(text.length);
    return splice(text, at, at + 1, String.fromCharCode(random.below(256)));
  },
  function flipBit(text, random) {
    const at = random.below(text.length);
    return splice(text, at, at + 1, String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(8))));
  },
  function insertToken(text, random, { tokens }) {
    const at = random.below(text.length + 1);
    return splice(text, at, at, random.pick(tokens));
  },
  function replaceByToken(text, random, { tokens }) {
    const at = random.below(text.length);
    return splice(text, at, at + 1 + random.below(8), random.pick(tokens));
  },
  function removePiece(text, random) {
    const at = random.below(text.length);
    return splice(text, at, at + 1 + random.below(random.chance(4) ? 40 : 4), '');
  },
  function cutShort(text, random) {
    return text.slice(0, 1 + random.below(text.length));
  },
  function duplicateLine(text, random) {
    const [start, end] = pickLine(text, random);
    return splice(text, end, end, text.slice(start, end));
  },
  function moveLine(text, random) {
    const [start, end] = pickLine(text, random);
    const [to] = pickLine(text, random);
    const line = text.slice(start, end);
    return to <= start ? splice(splice(text, start, end, ''), to, to, line) : splice(splice(text, to, to, line), start, end, '');
  },
  function addLine(text, random, { lines }) {
    const [, end] = pickLine(text, random);
    return splice(text, end, end, `${random.pick(lines)}\r\n`);
  },
  function replaceLine(text, random, { lines }) {
    const [start, end] = pickLine(text, random);
    return splice(text, start, end, `${random.pick(lines)}\r\n`);
  },
  function changeLineEnd(text, random) {
    const at = text.indexOf('\r\n', random.below(text.length));
    return at === -1 ? text : splice(text, at, at + 2, random.pick(lineEnds));
  },
  function changeBlank(text, random) {
    const at = text.indexOf(' ', random.below(text.length));
    return at === -1 ? text : splice(text, at, at + 1, random.pick(blanks));
  },
  function blankAroundSign(text, random) {
    const at = findFrom(text, /[:;,=/\r]/g, random.below(text.length));
    const place = at + random.below(2);
    return at === -1 ? text : splice(text, place, place, random.pick(blanks));
  },
  function changeCase(text, random) {
    const at = random.below(text.length);
    const piece = text.slice(at, at + 1 + random.below(12));
    const upper = piece.toUpperCase();
    return splice(text, at, at + piece.length, isLatin1(upper) && random.chance(2) ? upper : piece.toLowerCase());
  },
  function changeNumber(text, random) {
    const at = findFrom(text, random.pick([/\d+/g, chunkSize]), random.below(text.length));
    if (at === -1) return text;
    const number = /^[0-9a-f]+/i.exec(text.slice(at, at + 20))?.[0] ?? '';
    return splice(text, at, at + number.length, varyNumber(number, random));
  },
  function spliceSeed(text, random, { seeds }) {
    const other = random.pick(seeds);
    return text.slice(0, random.below(text.length)) + other.slice(random.below(other.length));
  },
  function appendSeed(text, random, { seeds }) {
    return text + random.pick(seeds);
  },
  function repeatPiece(text, random) {
    const at = random.below(text.length);
    const piece = text.slice(at, at + 1 + random.below(6));
    return splice(text, at, at, piece.repeat(1 + random.below(random.chance(50) ? 2000 : 20)));
  },
];

/** Some mutations after another; what comes of it depends on the random numbers alone. */
export function mutate(seed: string, random: Random, material: Material): string {
  let text = seed;
  do text = random.pick(mutations)(text, random, material);
  while (text !== '' && random.chance(2));
  return text;
}

function varyNumber(number: string, random: Random): string {
  const value = Number.parseInt(number, 16);
  const variants = [
    ...[`0${number}`, `+${number}`, `-${number}`, `0x${number}`, `${number},${number}`, `${number}, ${number}`, `${number} ${number}`],
    ...[`${number}.0`, `${number}e0`, `${number}_0`, `"${number}"`, `${number};`, ` ${number} `, `\t${number}`, '', '00000000000000000000'],
    ...[
      String(value + 1),
      String(Math.max(0, value - 1)),
      (value + 16).toString(16),
      `1${'0'.repeat(16)}${number}`,
      '18446744073709551616',
    ],
    ...['ffffffffffffffff', '10000000000000005', `0000000000000000${number}`, '999999999999999', '9007199254740993', 'fffffffffffe'],
  ];
  return random.pick(variants);
}

/** Start and end, with its CRLF, of a line. */
function pickLine(text: string, random: Random): [number, number] {
  const at = random.below(text.length);
  const before = text.lastIndexOf('\r\n', at);
  const after = text.indexOf('\r\n', at);
  return [before === -1 || before + 2 > at ? 0 : before + 2, after === -1 ? text.length : after + 2];
}

function splice(text: string, start: number, end: number, piece: string): string {
  return text.slice(0, start) + piece + text.slice(end);
}

function findFrom(text: string, pattern: RegExp, from: number): number {
  pattern.lastIndex = from;
  return pattern.exec(text)?.index ?? -1;
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false;
  return true;
}
