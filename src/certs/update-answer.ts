import { flag, readMessage, recordType } from '../dns/message.ts';

export interface Answer {
  id: number;
  rcode: number;
  /** Owner names of the SOA records in it, in order: the zone that the question's name lies in. */
  zones: string[];
}

/** Undefined for what is no answer, or a broken one. */
export function parseAnswer(message: Buffer): Answer | undefined {
  const answer = readMessage(message);
  if (!answer || (answer.flags & flag.response) === 0) return undefined;
  const { id, rcode, answers, authority } = answer;
  return { id, rcode, zones: [...answers, ...authority].filter(({ type }) => type === recordType.SOA).map(({ name }) => name) };
}
