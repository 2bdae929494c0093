import { acceptedByUsAlone, refusedByUsAlone } from './explained.ts';
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
  for (let index = 0; index < count; index++) {
    const outcome = compareAt(ours, theirs, index);
    if (outcome) return outcome;
  }
  if (ours.stopped) return same;
  if (ours.fault !== undefined) return theirs.fault === undefined ? refusedEarly : bothRefuse;
  if (theirs.fault === undefined) return ours.messages.at(-1)?.end === text.length ? same : bothWait;
  return ours.messages.at(-1)?.end === text.length ? acceptedAlone(ours, theirs) : weWait;
}

/** Undefined when both go on behind this message. */
function compareAt(ours: Reading, theirs: Reading, index: number): Outcome | undefined {
  const our = ours.messages[index];
  const their = theirs.messages[index];
  if (!our) return explainTheirs(ours, theirs, index);
  if (!their) return theirs.fault === undefined ? { difference: 'we see a head where llhttp waits' } : acceptedAlone(ours, theirs);
  const difference = differenceOfHeads(our, their);
  if (difference !== undefined) return { difference };
  return compareBodies(ours, theirs, our, their);
}

/** llhttp sees a message more. */
function explainTheirs(ours: Reading, theirs: Reading, index: number): Outcome {
  if (ours.stopped) return same;
  if (ours.fault === undefined) return { difference: 'llhttp sees a head where we wait' };
  const refusedToo = theirs.fault !== undefined && theirs.messages.length === index + 1 && theirs.messages[index]?.end === -1;
  return refusedToo ? bothRefuse : refusedAlone(theirs.messages[index] as Message, ours);
}

function compareBodies(ours: Reading, theirs: Reading, our: Message, their: Message): Outcome | undefined {
  const whole = our.end !== -1;
  if (whole && their.end === our.end) return differenceOfBodies(our, their);
  if (their.end !== -1 && (whole || ours.fault === undefined)) return { difference: 'the message ends elsewhere' };
  if (whole) return theirs.fault === undefined ? { difference: 'llhttp waits for more of a message' } : acceptedAlone(ours, theirs);
  if (ours.fault !== undefined && their.end === -1) return theirs.fault === undefined ? refusedEarly : bothRefuse;
  if (ours.fault !== undefined) return refusedAlone(their, ours);
  if (theirs.fault !== undefined) return weWait;
  return our.content === their.content ? bothWait : { difference: 'other content so far' };
}

function differenceOfHeads(our: Message, their: Message): string | undefined {
  if (our.line !== their.line) return 'another first line';
  if (our.headEnd !== their.headEnd) return 'the head ends elsewhere';
  if (!sameItems(our.fields, their.fields)) return 'other fields';
  if (our.host !== their.host) return 'another host';
  // A message that llhttp was told to be without a body has a flag from before that.
  if (our.keepAlive && !their.keepAlive && !our.bodyless) return 'we would go on where llhttp would close';
  return undefined;
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

function refusedAlone(their: Message, ours: Reading): Outcome {
  const fault = ours.fault ?? '';
  const rule = refusedByUsAlone.find((rule) => rule.fault === fault && rule.fits(their));
  return rule ? { rule: rule.name } : { difference: `we alone refuse: ${fault}` };
}

function acceptedAlone(ours: Reading, theirs: Reading): Outcome {
  const fault = theirs.fault ?? '';
  const our = ours.messages[Math.min(theirs.messages.length, ours.messages.length - 1)] as Message;
  const rule = acceptedByUsAlone.find((rule) => rule.fault.test(fault) && rule.fits(our));
  return rule ? { rule: rule.name } : { difference: `llhttp alone refuses: ${fault}` };
}

export function sameItems(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
