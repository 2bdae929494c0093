/** Content codings that are made, or served from a file made before (RFC 9110 8.4.1, RFC 7932, RFC 8878). */
export type Coding = 'zstd' | 'br' | 'gzip';

/** The best first, where a client takes several equally. */
export const codings: readonly Coding[] = ['zstd', 'br', 'gzip'];

/** Beyond what any honest client says. */
const maxCharacters = 512;
const maxElements = 32;

/** In thousandths; undefined where nothing is said. */
interface Weights {
  zstd: number | undefined;
  br: number | undefined;
  gzip: number | undefined;
  identity: number | undefined;
  /** `*`: of every coding that is not named. */
  others: number | undefined;
}

const listElement = /^[ \t]*(?:([!#$%&'*+.^_`|~0-9a-z-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[ \t]*)?$/i;

/**
 * The one of `offered` (the best first) that the value of Accept-Encoding wants most; undefined for none (RFC 9110 12.5.3). Without
 * the field any coding would be right, but who does not ask may not know any. A malformed or endless value asks for none.
 */
export function chooseCoding(acceptEncoding: string | undefined, offered: readonly Coding[] = codings): Coding | undefined {
  const weights = acceptEncoding === undefined ? undefined : readWeights(acceptEncoding);
  if (!weights) return undefined;
  let chosen: Coding | undefined;
  // What is wanted less than the content as it is, is not made.
  let least = Math.max(1, weights.identity ?? weights.others ?? 0);
  for (const coding of offered) {
    const weight = weights[coding] ?? weights.others ?? 0;
    if (weight < least) continue;
    chosen = coding;
    least = weight + 1;
  }
  return chosen;
}

function readWeights(value: string): Weights | undefined {
  if (value.length > maxCharacters) return undefined;
  const elements = value.split(',', maxElements + 1);
  if (elements.length > maxElements) return undefined;
  const weights: Weights = { zstd: undefined, br: undefined, gzip: undefined, identity: undefined, others: undefined };
  for (const element of elements) {
    const match = listElement.exec(element);
    if (!match) return undefined;
    const name = match[1] === undefined ? undefined : weightName(match[1].toLowerCase());
    if (name === undefined) continue;
    const weight = match[2] === undefined ? 1_000 : Math.round(Number(match[2]) * 1_000);
    // Named twice: the more careful one counts.
    weights[name] = Math.min(weights[name] ?? weight, weight);
  }
  return weights;
}

function weightName(token: string): keyof Weights | undefined {
  switch (token) {
    case 'zstd':
    case 'br':
    case 'gzip':
    case 'identity':
      return token;
    // RFC 9110 8.4.1.3: the same coding.
    case 'x-gzip':
      return 'gzip';
    case '*':
      return 'others';
    default:
      return undefined;
  }
}
