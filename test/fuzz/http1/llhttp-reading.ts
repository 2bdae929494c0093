import { METHODS } from 'node:http';
import { isBodyless, type Message, type Reading, type Stream } from './reading.ts';

/** What Node's own servers and clients parse with; of its many parts those that are used here. */
interface Parser {
  initialize(type: number, resource: object, maxHeadBytes: number, lenientFlags: number): void;
  execute(bytes: Buffer): number | Error;
  finish(): number | Error | undefined;
  [callback: number]: ((...values: never[]) => unknown) | undefined;
}

interface ParserClass {
  new (): Parser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
  readonly kLenientNone: number;
}

type ParseError = Error & { code: string; reason: string };

const { HTTPParser } = process.getBuiltinModule('_http_common') as unknown as { HTTPParser: ParserClass };
/** Beyond anything that is generated: limits are compared by tests of their own. */
const maxHeadBytes = 1 << 24;

/** Reads a stream with llhttp as Node builds it, without any lenience. One object reads one stream after another. */
export class LlhttpReader {
  private readonly parser = new HTTPParser();
  private readonly resource = {};
  private reading: Reading = { messages: [], fault: undefined, stopped: false };
  private stream: Stream = { kind: 'request', text: '', toHead: false };
  private earlyFields: string[] = [];
  private earlyTarget = '';
  private inBody = false;
  private upgrades = false;
  private place = 0;

  constructor() {
    const { parser } = this;
    parser[HTTPParser.kOnHeaders] = (fields: string[], target: string) => this.onFields(fields, target);
    parser[HTTPParser.kOnHeadersComplete] = (
      _major: number,
      minor: number,
      fields: string[] | undefined,
      method: number,
      target: string | undefined,
      status: number,
      _reason: string,
      upgrade: boolean,
      keepAlive: boolean,
    ) => this.onHead(minor, fields, method, target, status, upgrade, keepAlive);
    parser[HTTPParser.kOnBody] = (bytes: Buffer) => {
      (this.reading.messages.at(-1) as Message).content += bytes.toString('latin1');
    };
    parser[HTTPParser.kOnMessageComplete] = () => {
      this.inBody = false;
      (this.reading.messages.at(-1) as Message).end = this.place;
      this.reading.stopped = this.upgrades;
    };
  }

  /**
   * llhttp does not tell where a message ends, so it is fed in pieces cut at `cuts`: what happens in a piece of one byte happened
   * there. What happens in a longer piece gets the negative of the piece's end for its place.
   */
  read(stream: Stream, bytes: Buffer, cuts: readonly number[]): Reading {
    this.reading = { messages: [], fault: undefined, stopped: false };
    this.stream = stream;
    this.inBody = false;
    this.upgrades = false;
    this.earlyFields = [];
    this.earlyTarget = '';
    this.parser.initialize(
      stream.kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE,
      this.resource,
      maxHeadBytes,
      HTTPParser.kLenientNone,
    );
    let at = 0;
    for (const cut of cuts) {
      if (cut > at && cut < bytes.length) at = this.feed(bytes, at, cut);
      if (this.isOver()) return this.reading;
    }
    if (at < bytes.length) this.feed(bytes, at, bytes.length);
    return this.reading;
  }

  private isOver(): boolean {
    return this.reading.fault !== undefined || this.reading.stopped;
  }

  private feed(bytes: Buffer, from: number, to: number): number {
    this.place = to - from === 1 ? to : -to;
    const result = this.parser.execute(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
    if (result instanceof Error) this.reading.fault = `${(result as ParseError).code} ${(result as ParseError).reason}`;
    // Node keeps quiet about faults in the body of a message that asks for an upgrade.
    else if (result < to - from && !this.reading.stopped) this.reading.fault = 'untold';
    return to;
  }

  private onFields(fields: string[], target: string): void {
    if (this.inBody) (this.reading.messages.at(-1) as Message).trailers.push(...fields);
    else {
      this.earlyFields.push(...fields);
      this.earlyTarget += target;
    }
  }

  private onHead(
    minor: number,
    lastFields: string[] | undefined,
    method: number,
    lastTarget: string | undefined,
    status: number,
    upgrade: boolean,
    keepAlive: boolean,
  ): number {
    const fields = lastFields ?? this.earlyFields;
    const target = lastTarget ?? this.earlyTarget;
    this.earlyFields = [];
    this.earlyTarget = '';
    this.inBody = true;
    const isRequest = this.stream.kind === 'request';
    const bodyless = !isRequest && isBodyless(status, this.stream.toHead);
    this.reading.messages.push({
      line: isRequest ? `${methodNames.get(method)} ${target} ${minor}` : `${status} ${minor}`,
      host: isRequest ? hostOf(target, fields) : '',
      ...{ fields, keepAlive, bodyless, headEnd: this.place, content: '', trailers: [], end: -1 },
    });
    this.upgrades = upgrade;
    return bodyless ? 1 : 0;
  }
}

/** The host by a reading of the rules that is not ours: the target's, else the field's. */
function hostOf(target: string, fields: readonly string[]): string {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target)?.[1];
  const named = absolute ?? fields.find((_, index) => index % 2 === 1 && /^host$/i.test(fields[index - 1] ?? '')) ?? '';
  return named.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
}

/** llhttp counts methods in an order of its own. */
const methodNames = new Map<number, string>();
const probe = new HTTPParser();
for (const name of METHODS) {
  probe[HTTPParser.kOnHeadersComplete] = (...values: unknown[]) => void methodNames.set(values[3] as number, name);
  probe.initialize(HTTPParser.REQUEST, {}, maxHeadBytes, HTTPParser.kLenientNone);
  probe.execute(Buffer.from(`${name} ${name === 'CONNECT' ? 'a:1' : '/'} HTTP/1.1\r\n\r\n`));
}
