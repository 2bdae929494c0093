import { sameItems } from './comparison.ts';
import type { Message, Reading } from './reading.ts';

/** Names after folding. They are spelled out here once more, so that the table in src/http1 is checked and not believed. */
const hopOnly = /^(?:connection|keep-alive|proxy-connection|http2-settings|upgrade)$/;
const edgeOnly = /^(?:x-tenantd-.*|x-forwarded-.*|forwarded|x-real-ip|x-request-id|proxy)$/;
const spelledOut = /^(?:content-length|transfer-encoding)$/;

/**
 * What is wrong with what goes on to the other side, `after`, given what came, `before`; undefined when nothing is. Both readers
 * have agreed on `after` already.
 */
export function faultOfForwarded(kind: 'request' | 'response', before: Message, after: Reading): string | undefined {
  const message = after.messages[0];
  if (after.fault !== undefined || after.messages.length !== 1 || !message) return 'what we pass on is not one message for us';
  if ((message.end === -1) !== (before.end === -1)) return 'what we pass on ends elsewhere';
  if (message.content !== before.content) return 'what we pass on has other content';
  if (message.host !== before.host) return 'what we pass on has another host';
  if (!sameItems(message.trailers, before.trailers)) return 'what we pass on has other trailers';
  const fields = kind === 'request' ? requestFields(before, message) : responseFields(before, message);
  if (!sameItems(message.fields, fields)) return 'what we pass on has other fields';
  return message.keepAlive || kind === 'response' ? undefined : 'what we pass on ends the connection';
}

function requestFields(before: Message, after: Message): string[] {
  const listed = listedIn(before.fields);
  const isOld = before.line.endsWith(' 0');
  const absolute = /^\S+ https?:/i.test(before.line);
  const kept = selectFields(before.fields, (name, folded) => {
    if (folded === 'host') return !absolute;
    if (spelledOut.test(folded)) return name === folded;
    if (name === 'upgrade') return isUpgrade(after);
    if (name === 'expect') return !isOld;
    return !hopOnly.test(folded) && !edgeOnly.test(folded) && folded !== 'te' && !listed.has(name);
  });
  const host = absolute ? ['host', valueOf(after.fields, 'host')] : [];
  return [...host, ...kept, ...optionsAfter(before, after), 'x-request-id', 'added'];
}

/** What we say of the hop to the app: an upgrade that the client asked for, or that trailers are welcome. */
function optionsAfter(before: Message, after: Message): string[] {
  if (isUpgrade(after)) return ['connection', 'upgrade'];
  const codings = namedValues(before.fields, 'te');
  const trailers = before.line.endsWith(' 1') && codings.includes('trailers');
  return trailers ? ['te', 'trailers', 'connection', 'te'] : [];
}

function isUpgrade(after: Message): boolean {
  const protocols = namedValues(after.fields, 'upgrade');
  return (
    valueOf(after.fields, 'connection') === 'upgrade' && protocols.length > 0 && !protocols.some((name) => /^(?:h2|http|tls)/.test(name))
  );
}

function responseFields(before: Message, after: Message): string[] {
  const listed = listedIn(before.fields);
  const [status = ''] = after.line.split(' ');
  const framed = !/^1..$|^204$/.test(status);
  const kept = selectFields(before.fields, (name, folded) => {
    if (/^content-length$|^transfer-encoding$/.test(name)) return framed;
    if (name === 'upgrade') return status === '101';
    if (name === 'x-request-id') return false;
    if (folded !== name && (hopOnly.test(folded) || folded === 'x-request-id')) return true;
    return !hopOnly.test(name) && (isKnown(folded) || !listed.has(name));
  });
  return [...kept, 'x-request-id', 'added', ...(status === '101' ? ['connection', 'upgrade'] : [])];
}

/** Connection can't take these away, whoever names them. */
function isKnown(folded: string): boolean {
  return edgeOnly.test(folded) || spelledOut.test(folded) || /^(?:host|te|expect)$/.test(folded);
}

function selectFields(fields: readonly string[], keeps: (name: string, folded: string) => boolean): string[] {
  const kept: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const name = (fields[index] ?? '').toLowerCase();
    if (keeps(name, name.replaceAll(/[^a-z0-9]/g, '-'))) kept.push(fields[index] ?? '', fields[index + 1] ?? '');
  }
  return kept;
}

function listedIn(fields: readonly string[]): Set<string> {
  return new Set(namedValues(fields, 'connection'));
}

function namedValues(fields: readonly string[], name: string): string[] {
  const values = selectFields(fields, (found) => found === name).filter((_, index) => index % 2 === 1);
  return values.flatMap((value) => value.toLowerCase().split(',')).map((part) => part.replaceAll(/^[ \t]+|[ \t]+$/g, ''));
}

function valueOf(fields: readonly string[], name: string): string {
  return selectFields(fields, (found) => found === name)[1] ?? '';
}
