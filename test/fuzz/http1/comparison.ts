import { acceptedByUsAlone, obeysProxyConnection, refusedByUsAlone } from './explained.ts';
import type { Message, Reading } from './reading.ts';

/** `rule` names why two readers differ; `difference` says what nobody explained. */
export type Outcome = { rule: string; difference?: never } | { rule?: never; difference: string };

const same: Outcome = { rule: 'read the same by both' };
const bothRefuse: Outcome = { rule: 'refused by both' };
const bothWait: Outcome = { rule: 'not whole for both' };
const refusedEarly: Outcome = { rule: 'refused by us before it is whole for llhttp' };
const weWait: Outcome = { rule: 'llhttp refuses what is not whole yet for us' };

/** Compares what we make of a stream with what llhttp makes of it. */
export function compareReadings(text: string, ours: Reading, theirs: Reading): Outcome {
  const count = Math.max(ours.messages.length, theirs.messages.length);
  let start = 0;
  for (let index = 0; index < count; index++) {
    const outcome = compareAt({ ours, theirs, index, text: text.slice(start) });
    if (outcome) return outcome;
    start = ours.messages[index]?.end ?? start;
  }
  if (ours.stopped) return same;
  const whole = start === text.length;
  if (ours.fault !== undefined) return theirs.fault === undefined ? refusedEarly : bothRefuse;
  if (theirs.fault === undefined) return whole ? same : bothWait;
  return whole ? { difference: `llhttp refuses what is whole: ${theirs.fault}` } : weWait;
}

/** Two readings up to a message, and the stream from there on. */
interface Place {
  ours: Reading;
  theirs: Reading;
  index: number;
  text: string;
}

/** Undefined when both go on behind this message. */
function compareAt(place: Place): Outcome | undefined {
  const our = place.ours.messages[place.index];
  const their = place.theirs.messages[place.index];
  if (!their) return explainOurs(place, our as Message);
  if (!our) return explainTheirs(place, their);
  return compareHeads(our, their) ?? compareBodies(place, our, their);
}

/** We see a message more. */
function explainOurs(place: Place, our: Message): Outcome {
  return place.theirs.fault === undefined ? { difference: 'we see a head where llhttp waits' } : acceptedAlone(place, our);
}

/** llhttp sees a message more. */
function explainTheirs(place: Place, their: Message): Outcome {
  if (place.ours.stopped) return same;
  if (place.ours.fault === undefined) return { difference: 'llhttp sees a head where we wait' };
  return place.theirs.fault !== undefined && their.end === -1 ? bothRefuse : refusedAlone(place, their);
}

function compareHeads(our: Message, their: Message): Outcome | undefined {
  if (our.line !== their.line) return { difference: 'another first line' };
  if (our.headEnd !== their.headEnd) return { difference: 'the head ends elsewhere' };
  if (!sameItems(our.fields, their.fields)) return { difference: 'other fields' };
  if (our.host !== their.host) return { difference: 'another host' };
  if (!our.keepAlive || their.keepAlive) return undefined;
  if (obeysProxyConnection.fits(their)) return { rule: obeysProxyConnection.name };
  // A message that llhttp was told to be without a body has a flag from before that.
  return our.bodyless ? undefined : { difference: 'we would go on where llhttp would close' };
}

function compareBodies(place: Place, our: Message, their: Message): Outcome | undefined {
  const { ours, theirs } = place;
  if (our.end !== -1) {
    if (their.end === our.end) return differenceOfBodies(our, their);
    if (their.end !== -1) return { difference: 'the message ends elsewhere' };
    return theirs.fault === undefined ? { difference: 'llhttp waits for more of a message' } : acceptedAlone(place, our);
  }
  if (ours.fault === undefined && their.end !== -1) return { difference: 'the message ends for llhttp only' };
  if (ours.fault !== undefined && their.end !== -1) return refusedAlone(place, their);
  if (ours.fault !== undefined) return theirs.fault === undefined ? refusedEarly : bothRefuse;
  if (theirs.fault !== undefined) return weWait;
  return our.content === their.content ? bothWait : { difference: 'other content so far' };
}

function differenceOfBodies(our: Message, their: Message): Outcome | undefined {
  if (our.content !== their.content) return { difference: 'other content' };
  return sameItems(our.trailers, withoutDropped(their.trailers)) ? undefined : { difference: 'other trailers' };
}

const droppedTrailers = new RegExp(
  `^(?:${[
    'x-tenantd-.*|x-forwarded-.*|forwarded|x-real-ip|x-request-id|proxy|host|content-(?:length|type|encoding|range)|transfer-encoding',
    'connection|keep-alive|proxy-connection|http2-settings|upgrade|te|expect|trailer|(?:proxy-)?authorization|(?:set-)?cookie',
    '(?:www|proxy)-authenticate|cache-control|age|expires|location|vary|date|retry-after|warning|pragma|max-forwards|range',
    'if-(?:match|none-match|modified-since|unmodified-since|range)',
  ].join('|')})$`,
);

function withoutDropped(trailers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < trailers.length; index += 2) {
    const folded = (trailers[index] ?? '').toLowerCase().replaceAll(/[^a-z0-9]/g, '-');
    if (!droppedTrailers.test(folded)) kept.push(trailers[index] ?? '', trailers[index + 1] ?? '');
  }
  return kept;
}

function refusedAlone({ ours, text }: Place, their: Message): Outcome {
  const fault = ours.fault ?? '';
  const rule = refusedByUsAlone.find((rule) => rule.fault.test(fault) && rule.fits(their, text));
  return rule ? { rule: rule.name } : { difference: `we alone refuse: ${fault}` };
}

function acceptedAlone({ theirs, text }: Place, our: Message): Outcome {
  const fault = theirs.fault ?? '';
  const rule = acceptedByUsAlone.find((rule) => rule.fault.test(fault) && rule.fits(our, text));
  return rule ? { rule: rule.name } : { difference: `llhttp alone refuses: ${fault}` };
}

export function sameItems(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
