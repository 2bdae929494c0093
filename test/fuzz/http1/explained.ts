import type { Message } from './reading.ts';

/** A difference that is meant. `fits` is told the message as the reader that took it read it, and the stream from its beginning on. */
interface Rule {
  name: string;
  why: string;
  /** What the reader that refused it says. */
  fault: RegExp;
  fits: (taken: Message, text: string) => boolean;
}

const valuesOf = ({ fields }: Message, name: RegExp): string[] =>
  fields.filter((_, index) => index % 2 === 1 && name.test(fields[index - 1] ?? ''));
const hosts = (message: Message): string[] => valuesOf(message, /^host$/i);
const targetOf = ({ line }: Message): string => line.slice(line.indexOf(' ') + 1, line.lastIndexOf(' '));
const firstLine = (text: string): string => /^[\r\n]*([^\r\n]*)/.exec(text)?.[1] ?? '';

const chunkLine = /^[0-9a-f]+(?:;[^;="\s]+(?:=(?:[^;="\s]+|"(?:[^"\\]|\\.)*"))?)*$/i;

/** What llhttp takes and we don't. */
export const refusedByUsAlone: readonly Rule[] = [
  {
    name: 'no Host',
    why: 'RFC 9112 3.2 demands a 400; llhttp leaves it to the server',
    fault: /^no Host$/,
    fits: (taken) => hosts(taken).length === 0,
  },
  {
    name: 'several Hosts',
    why: 'RFC 9112 3.2 demands a 400; llhttp leaves it to the server',
    fault: /^several Hosts$/,
    fits: (taken) => hosts(taken).length > 1,
  },
  {
    name: 'a Host that is no host',
    why: 'RFC 9112 3.2 demands a 400; to llhttp it is a value like any other',
    fault: /^invalid Host$/,
    fits: (taken) => !isHost(hosts(taken)[0] ?? ''),
  },
  {
    name: 'CONNECT and TRACE',
    why: 'an edge is no open proxy, and echoes no credentials',
    fault: /^method not allowed$/,
    fits: ({ line }) => /^(?:CONNECT|TRACE) /.test(line),
  },
  {
    name: 'HTTP/0.9, and HTTP/2.0 in the form of HTTP/1',
    why: 'their messages are framed otherwise; llhttp takes both versions, and a line without any',
    fault: /^(?:HTTP version|invalid request target|invalid method|bare CR|malformed request)/,
    fits: ({ line }, text) => line.endsWith(' 9') || / HTTP\/(?:0\.9|2\.0)$/.test(firstLine(text)),
  },
  {
    name: 'an empty line before a response, or one of a bare CR or LF before a request',
    why: 'RFC 9112 2.2 speaks of requests, and of CRLF',
    fault: /^(?:invalid method|malformed status line)$/,
    fits: ({ line }, text) => (/^\d/.test(line) ? /^[\r\n]/ : /^(?:\r\n)*(?:\r(?!\n)|\n)/).test(text),
  },
  {
    name: 'more than one space in a request line',
    why: 'RFC 9112 3: one; a reader that splits at each sees an empty target',
    fault: /^(?:invalid request target|malformed request line)$/,
    fits: (_, text) => firstLine(text).includes('  '),
  },
  {
    name: 'a target that is none of the four forms',
    why: 'RFC 9112 3.2; and no fragment, no user, no other scheme, no `*` but for OPTIONS',
    fault: /^invalid request target$/,
    fits: (taken) => !isTarget(targetOf(taken)) || targetOf(taken) === '*',
  },
  {
    name: 'a transfer coding that is not `chunked` alone',
    why: 'llhttp takes any list that ends in `chunked`, and in responses any other as a body until the end; others differ',
    fault: /^unsupported Transfer-Encoding$/,
    fits: (_, text) => !/^transfer-encoding: *chunked\r\n/im.test(text) || /transfer-encoding:[^]*transfer-encoding:/i.test(text),
  },
  {
    name: 'Transfer-Encoding in HTTP/1.0',
    why: 'RFC 9112 6.1: such a message is faulty in its framing',
    fault: /^Transfer-Encoding in HTTP\/1.0$/,
    fits: ({ line }) => line.endsWith(' 0'),
  },
  {
    name: 'a length of more than 15 digits',
    why: 'a double does not count exactly beyond 2^53',
    fault: /^invalid Content-Length$/,
    fits: (taken) => valuesOf(taken, /^content-length$/i).some((value) => /^\d{16,}$/.test(value)),
  },
  {
    name: 'a target, fields, extensions or trailers beyond our limits',
    why: 'llhttp leaves limits to its user, and has wider ones',
    fault: /^(?:request target too long|too many fields|head too large|chunk extensions too long|trailer section too long)$/,
    fits: (_, text) => text.length > 256,
  },
  {
    name: 'a chunk size of more than 12 digits',
    why: 'zeros in front too: readers that count digits see another size',
    fault: /^chunk size too large$/,
    fits: (_, text) => /^[0-9a-f]{13,}/im.test(text),
  },
  {
    name: 'a malformed chunk extension',
    why: 'RFC 9112 7.1.1; llhttp takes one without a name',
    fault: /^malformed chunk extension$/,
    fits: (_, text) => text.split('\r\n').some((line) => /^[0-9a-f]+;/i.test(line) && !chunkLine.test(line)),
  },
  {
    name: 'more than 64 Connection options',
    why: 'each field is compared with all of them, so they are limited',
    fault: /^too many Connection options$/,
    fits: (taken) =>
      valuesOf(taken, /^connection$/i)
        .join(',')
        .split(',').length > 64,
  },
  {
    name: 'a field of the framing or the connection in trailers',
    why: 'RFC 9110 6.5.1 forbids it; llhttp treats some as header fields, after the fact',
    fault: /^framing field in trailers$/,
    fits: ({ trailers }) =>
      trailers.some(
        (name, index) =>
          index % 2 === 0 &&
          /^(?:host|te|expect|upgrade|http2-settings|(?:proxy-)?connection|keep-alive|content-length|transfer-encoding)$/i.test(name),
      ),
  },
  {
    name: 'an interim response that ends its connection',
    why: 'a final one must follow (RFC 9110 15.2); llhttp reads nothing behind it',
    fault: /^interim response that ends/,
    fits: ({ line, fields }) => /^1.*0$/.test(line) || (line.startsWith('1') && /close/i.test(fields.join())),
  },
  {
    name: 'a status line of another version, under 100, or with control characters',
    why: 'RFC 9112 4; llhttp takes HTTP/0.9 and 2.0, every three digits, and any byte in the reason',
    fault: /^malformed status line$/,
    fits: (_, text) => !/^HTTP\/1\.[01] [1-9]\d\d(?: [\t -~\x80-\xff]*)?$/.test(firstLine(text)),
  },
];

/** What we take and llhttp doesn't: each needs a strong reason. */
export const acceptedByUsAlone: readonly Rule[] = [
  {
    name: 'a method that llhttp does not know',
    why: 'RFC 9110 9.1: methods are open-ended; llhttp has a fixed list, and the app may not be written for Node',
    fault: /^HPE_INVALID_METHOD|^HPE_INVALID_CONSTANT/,
    fits: ({ line }) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ /.test(line),
  },
  {
    name: 'bytes over 0x7f in a target',
    why: 'browsers send them raw in queries; no reader ends a target there',
    fault: /^HPE_INVALID_URL/,
    fits: (taken) => /[\x80-\xff]/.test(targetOf(taken)),
  },
];

/** No matter of framing: whether the connection is used again. */
export const obeysProxyConnection = {
  name: 'Proxy-Connection: close',
  why: 'RFC 9112 C.2.2: it means nothing to a server; llhttp obeys it. We never pass it on',
  fits: (taken: Message) => valuesOf(taken, /^proxy-connection$/i).some((value) => /close/i.test(value)),
};

/** Every difference that is meant. */
export const explained: readonly { name: string; why: string }[] = [...refusedByUsAlone, ...acceptedByUsAlone, obeysProxyConnection];

function isHost(host: string): boolean {
  const [, name, port] = /^([a-z0-9._-]{1,255}|\[[0-9a-f:.]{1,253}\])(?::(\d{0,5}))?$/i.exec(host) ?? [];
  return name !== undefined && name !== '.' && Number(port ?? 0) <= 65_535;
}

function isTarget(target: string): boolean {
  const authority = /^https?:\/\/([^/?#]*)/i.exec(target)?.[1];
  return !target.includes('#') && (target.startsWith('/') || target === '*' || (authority !== undefined && isHost(authority)));
}
