import { compareReadings, type Outcome } from './comparison.ts';
import { faultOfForwarded } from './forwarding.ts';
import { LlhttpReader } from './llhttp-reading.ts';
import { OurReading } from './our-reading.ts';
import type { Random } from './random.ts';
import type { Message, Stream } from './reading.ts';

const llhttp = new LlhttpReader();

/** Everything that must hold of one stream. */
export function checkStream(stream: Stream, random: Random): Outcome {
  const bytes = Buffer.from(stream.text, 'latin1');
  const whole = new OurReading(stream).receive(bytes);
  const outcome = compareReadings(stream.text, whole, llhttp.read(stream, bytes, cutsAround(whole.messages)));
  if (outcome.difference !== undefined) return outcome;
  const difference = differenceWhenCut(stream, bytes, whole, random) ?? differenceWhenForwarded(stream, whole);
  return difference === undefined ? outcome : { difference };
}

/** Around each place where something ends for us. */
function cutsAround(messages: readonly Message[]): number[] {
  return messages.flatMap(({ headEnd, end }) =>
    end === -1 || end === headEnd ? [headEnd - 1, headEnd] : [headEnd - 1, headEnd, end - 1, end],
  );
}

function differenceWhenCut(stream: Stream, bytes: Buffer, whole: OurReading, random: Random): string | undefined {
  const cut = new OurReading(stream);
  const longest = random.chance(8) ? 1 : 1 + random.below(bytes.length);
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + random.below(longest));
    cut.receive(bytes.subarray(at, end));
    at = end;
  }
  // A head with two faults is refused for the one that shows first.
  if ((cut.fault === undefined) !== (whole.fault === undefined))
    return `cut in pieces it is ${cut.fault ?? 'good'}, in one ${whole.fault ?? 'good'}`;
  return JSON.stringify(cut.messages) === JSON.stringify(whole.messages) ? undefined : 'cut in pieces it reads otherwise';
}

function differenceWhenForwarded(stream: Stream, reading: OurReading): string | undefined {
  for (const [index, before] of reading.messages.entries()) {
    const text = reading.forwarded[index] ?? '';
    const broken = reading.fault !== undefined && before.end === -1;
    const toNobody = stream.kind === 'request' && before.host === '';
    if (toNobody || broken) continue;
    const forwarded = { ...stream, text };
    const bytes = Buffer.from(text, 'latin1');
    const ours = new OurReading(forwarded).receive(bytes);
    const outcome = compareReadings(text, ours, llhttp.read(forwarded, bytes, cutsAround(ours.messages)));
    const fault = outcome.difference ?? faultOfForwarded(stream.kind, before, ours);
    if (fault !== undefined) return `forwarded: ${fault}`;
  }
  return undefined;
}
