import type { Message } from './reading.ts';

/** A difference that is meant. `fits` is told the message as the reader that took it read it. */
interface Rule<Fault> {
  name: string;
  why: string;
  /** What the reader that refused it says. */
  fault: Fault;
  fits: (taken: Message) => boolean;
}

const valuesOf = ({ fields }: Message, name: RegExp): string[] =>
  fields.filter((_, index) => index % 2 === 1 && name.test(fields[index - 1] ?? ''));
const hosts = (message: Message): string[] => valuesOf(message, /^host$/i);
const codings = (message: Message): string[] => valuesOf(message, /^transfer-encoding$/i);
const targetOf = ({ line }: Message): string => line.slice(line.indexOf(' ') + 1, line.lastIndexOf(' '));

/** What llhttp takes and we don't. */
export const refusedByUsAlone: readonly Rule<string>[] = [
  {
    name: 'no Host',
    why: 'RFC 9112 3.2 demands a 400; llhttp leaves it to the server',
    fault: 'no Host',
    fits: (taken) => hosts(taken).length === 0,
  },
  {
    name: 'several Hosts',
    why: 'RFC 9112 3.2 demands a 400; llhttp leaves it to the server',
    fault: 'several Hosts',
    fits: (taken) => hosts(taken).length > 1,
  },
  {
    name: 'a Host that is no host',
    why: 'RFC 9112 3.2 demands a 400; to llhttp it is a value like any other',
    fault: 'invalid Host',
    fits: (taken) =>
      !/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{0,5})?$/i.test(hosts(taken)[0] ?? '') ||
      Number(/\d+$/.exec(hosts(taken)[0] ?? '')?.[0]) > 65_535,
  },
  {
    name: 'CONNECT and TRACE',
    why: 'an edge is no open proxy and echoes no cookies',
    fault: 'method not allowed',
    fits: ({ line }) => /^(?:CONNECT|TRACE) /.test(line),
  },
  {
    name: 'HTTP/0.9, and HTTP/2 in an HTTP/1 head',
    why: 'llhttp takes the versions 0.9 and 2.0; their messages are framed otherwise',
    fault: 'HTTP version not supported',
    fits: ({ line }) => / [^01]$| 0$/.test(line),
  },
  {
    name: 'an HTTP/0.9 request line',
    why: 'llhttp takes a line without a version',
    fault: 'invalid request target',
    fits: ({ line }) => line.endsWith(' 9'),
  },
  {
    name: 'a target that is none of the four forms',
    why: 'RFC 9112 3.2; no fragment, no user, no other scheme, no `*` but for OPTIONS',
    fault: 'invalid request target',
    fits: (taken) => !/^\/[^#]*$|^\*$|^https?:\/\/[a-z0-9._-]+(?::\d*)?(?:[/?][^#]*)?$/i.test(targetOf(taken)) || targetOf(taken) === '*',
  },
  {
    name: 'a transfer coding that is not `chunked` alone',
    why: 'llhttp takes any list that ends in `chunked`, and in responses any other as a body until the end; others read them otherwise',
    fault: 'unsupported Transfer-Encoding',
    fits: (taken) => codings(taken).length > 0,
  },
  {
    name: 'Transfer-Encoding in HTTP/1.0',
    why: 'RFC 9112 6.1: such a message is faulty in its framing',
    fault: 'Transfer-Encoding in HTTP/1.0',
    fits: ({ line }) => line.endsWith(' 0'),
  },
  {
    name: 'a length of more than 15 digits',
    why: 'counted in doubles, it is not exact beyond 2^53',
    fault: 'invalid Content-Length',
    fits: (taken) => valuesOf(taken, /^content-length$/i).some((value) => /^\d{16,}$/.test(value)),
  },
];

/** What we take and llhttp doesn't: each needs a strong reason. */
export const acceptedByUsAlone: readonly Rule<RegExp>[] = [
  {
    name: 'a method that llhttp does not know',
    why: 'RFC 9110 9.1: methods are open-ended; llhttp has a fixed list, and the app may not be written in Node',
    fault: /^HPE_INVALID_METHOD|^HPE_INVALID_CONSTANT/,
    fits: ({ line }) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ /.test(line),
  },
  {
    name: 'bytes over 0x7f in a target',
    why: 'browsers send them raw in queries; no parser ends a target there',
    fault: /^HPE_INVALID_URL/,
    fits: (taken) => /[\x80-\xff]/.test(targetOf(taken)),
  },
];
