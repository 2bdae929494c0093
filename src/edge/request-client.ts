import type { ResponseHead } from '../http1/response-head.ts';
import type { AccessProtocol } from './access-entry.ts';
import type { Answer } from './answers.ts';
import type { ConnectionFacts } from './connection-facts.ts';
import type { Exchange } from './exchange.ts';

/** Whom an exchange answers: a connection of HTTP/1.1, or one stream of HTTP/2. */
export interface RequestClient {
  readonly connection: ConnectionFacts;
  /** What came of the request and is not used yet, framed as HTTP/1.1 frames it, whatever the client speaks. */
  readonly pending: Buffer | undefined;
  /** Nothing more of the request will come. */
  readonly inputEnded: boolean;
  /** As access logs call it. */
  readonly protocol: AccessProtocol;
  dropPending(bytes: number): void;
  /** From now on, for whatever it waits for at the moment; `Infinity` for no limit. */
  limit(ms: number): void;
  /** Goes on as far as what came allows. */
  settle(): void;
  /** An answer of the edge itself, whole. `keep`: the connection may go on. Answers how many bytes its body has. */
  sendAnswer(exchange: Exchange, answer: Answer, keep: boolean): number;
  sendInterim(exchange: Exchange, head: ResponseHead): void;
  /** The head, and what is there of the body. `ended`: that is all of it. False when it takes no more at the moment. */
  sendHead(exchange: Exchange, head: ResponseHead, piece: Buffer | undefined, ended: boolean, trailers: string): boolean;
  /** `piece` is in the form that `exchange.bodyForm` says; `trailers` are whole field lines. */
  sendBody(exchange: Exchange, piece: Buffer | undefined, ended: boolean, trailers: string): boolean;
  /** After 101; `following` is what the app sent after it. Only for an exchange that asked for it. */
  switchProtocols(exchange: Exchange, following: Buffer | undefined): void;
  /** The exchange is over, and its response went out whole. */
  finish(keep: boolean): void;
  /** What went out is not whole, and the client must see it. */
  cut(): void;
}
