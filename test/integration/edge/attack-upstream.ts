import type { Socket } from 'node:net';
import type { EdgeUnderTest } from './edge-under-test.ts';

export interface SeenRequest {
  line: string;
  fields: Map<string, string>;
  body: string;
}

/** What an app got, byte for byte, as a parser of its own reads it that knows only the strictest form. */
export interface SuspiciousUpstream {
  /** Whole requests. */
  requests: SeenRequest[];
  /** Why something was no request. */
  problems: string[];
  /** Connections that have not closed. */
  open: Set<Socket>;
  /** All that came, of all connections. */
  text: () => string;
  /** Heads that came, of whole requests or not. */
  heads: () => number;
}

const headEnd = '\r\n\r\n';
// oxlint-disable-next-line no-control-regex -- they are what must not be there
const requestLine = /^[!#$%&'*+.^_`|~\w-]+ (\/[^\x00-\x20\x7f#]*|\*) HTTP\/1\.1$/;
// oxlint-disable-next-line no-control-regex -- they are what must not be there
const fieldLine = /^([!#$%&'*+.^_`|~\w-]+): ?([^\x00-\x08\x0a-\x1f\x7f]*)$/;

/** Answers each request with its target, so that a client can see whose answer it got. */
export async function suspiciousUpstream(edge: EdgeUnderTest): Promise<SuspiciousUpstream> {
  const upstream: Omit<SuspiciousUpstream, 'open' | 'text' | 'heads'> = { requests: [], problems: [] };
  const readers: { all: string; heads: number }[] = [];
  const open = await edge.raw('one', (socket) => {
    const reader = { all: '', heads: 0 };
    readers.push(reader);
    let rest = '';
    socket.on('data', (bytes: Buffer) => {
      reader.all += bytes.toString('latin1');
      rest += bytes.toString('latin1');
      if (upstream.problems.length === 0) rest = readRequests(rest, upstream, socket);
      reader.heads = reader.all.split(/ HTTP\/1\.[01]\r\n/).length - 1;
    });
  });
  return {
    ...upstream,
    open,
    text: () => readers.map(({ all }) => all).join(''),
    heads: () => readers.reduce((sum, { heads }) => sum + heads, 0),
  };
}

/** Takes whole requests off the front, and answers what is left. */
function readRequests(text: string, { requests, problems }: Pick<SuspiciousUpstream, 'requests' | 'problems'>, socket: Socket): string {
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf(headEnd);
    if (end === -1) return rest;
    const read = readRequest(rest.slice(0, end), rest.slice(end + headEnd.length));
    if (read === undefined) return rest;
    if (typeof read === 'string') {
      problems.push(`${read}: ${JSON.stringify(rest)}`);
      return '';
    }
    requests.push(read.request);
    const target = read.request.line.split(' ')[1] ?? '';
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${target.length}\r\n\r\n${target}`, 'latin1');
    rest = read.rest;
  }
  return rest;
}

/** Undefined while its body has not come whole; text says what is wrong. */
function readRequest(head: string, following: string): { request: SeenRequest; rest: string } | string | undefined {
  const [line = '', ...lines] = head.split('\r\n');
  if (!requestLine.test(line)) return 'the request line is malformed';
  const fields = new Map<string, string>();
  for (const text of lines) {
    const [, name, value] = fieldLine.exec(text) ?? [];
    if (name === undefined || value === undefined) return 'a field is malformed';
    const key = name.toLowerCase().replaceAll('_', '-');
    if (framing.has(key) && fields.has(key)) return `${key} twice`;
    fields.set(key, value);
  }
  const body = readBody(fields, following);
  if (typeof body !== 'object') return body;
  return { request: { line, fields, body: body.content }, rest: body.rest };
}

const framing = new Set(['host', 'content-length', 'transfer-encoding']);

function readBody(fields: ReadonlyMap<string, string>, following: string): { content: string; rest: string } | string | undefined {
  const length = fields.get('content-length');
  const coding = fields.get('transfer-encoding');
  if (!fields.has('host')) return 'no host';
  if (length !== undefined && coding !== undefined) return 'two ways to end';
  if (coding !== undefined) return coding.toLowerCase() === 'chunked' ? readChunks(following) : 'another coding';
  if (length !== undefined && !/^(0|[1-9]\d{0,12})$/.test(length)) return 'an odd length';
  const bytes = Number(length ?? 0);
  return following.length < bytes ? undefined : { content: following.slice(0, bytes), rest: following.slice(bytes) };
}

function readChunks(following: string): { content: string; rest: string } | string | undefined {
  let content = '';
  let rest = following;
  for (;;) {
    const end = rest.indexOf('\r\n');
    if (end === -1) return undefined;
    const [, digits] = /^([0-9a-fA-F]{1,12})(;[\t\x20-\x7e]*)?$/.exec(rest.slice(0, end)) ?? [];
    if (digits === undefined) return 'an odd chunk size';
    rest = rest.slice(end + 2);
    const size = Number.parseInt(digits, 16);
    if (size === 0) return readTrailers(content, rest);
    if (rest.length < size + 2) return undefined;
    if (rest.slice(size, size + 2) !== '\r\n') return 'a chunk that ends late';
    content += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
}

function readTrailers(content: string, following: string): { content: string; rest: string } | string | undefined {
  if (following.startsWith('\r\n')) return { content, rest: following.slice(2) };
  const end = following.indexOf(headEnd);
  if (end === -1) return undefined;
  const lines = following.slice(0, end).split('\r\n');
  if (!lines.every((line) => fieldLine.test(line))) return 'a malformed trailer';
  if (lines.some((line) => framing.has(line.split(':')[0]?.toLowerCase() ?? ''))) return 'a trailer that frames or routes';
  return { content, rest: following.slice(end + headEnd.length) };
}
