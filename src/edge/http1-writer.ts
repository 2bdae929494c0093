import type { Socket } from 'node:net';
import type { ResponseHead } from '../http1/response-head.ts';
import { rewriteResponseHead } from '../http1/rewrite.ts';
import type { Answer } from './answers.ts';
import { renderAnswer, writeAnswer } from './error-page.ts';
import type { Exchange } from './exchange.ts';
import { writeHeadAndBody } from './socket-write.ts';

const noContent = 204;
const upgradeRequired = 426;
const lastChunk = Buffer.from('0\r\n\r\n');
const lineEnd = Buffer.from('\r\n');

/** Answers how many bytes of content it wrote. */
export function writeHttp1Answer(socket: Socket, exchange: Exchange, answer: Answer, keep: boolean): number {
  const rendered = renderAnswer(answer, exchange.id, exchange.brandName);
  const headOnly = exchange.method === 'HEAD';
  socket.write(writeAnswer(rendered, connectionField(exchange, keep), headOnly));
  return headOnly ? 0 : rendered.content.length;
}

/** 100 Continue, 103 Early Hints and the like. RFC 9110 15.2: HTTP/1.0 has none. */
export function writeHttp1Interim(socket: Socket, { minor }: Exchange, head: ResponseHead): void {
  if (minor === 0) return;
  socket.write(rewriteResponseHead(head, { contentLength: false, transferEncoding: false, upgrade: false, added: '' }), 'latin1');
}

export function writeHttp1Head(socket: Socket, exchange: Exchange, head: ResponseHead, piece: Buffer | undefined, ended: boolean): boolean {
  const text = finalHead(exchange, head);
  return writeHeadAndBody(socket, text, exchange.bodyForm === 'chunked' ? chunk(piece, ended) : piece);
}

export function writeHttp1Body(socket: Socket, { bodyForm }: Exchange, piece: Buffer | undefined, ended: boolean): boolean {
  const bytes = bodyForm === 'chunked' ? chunk(piece, ended) : piece;
  return bytes === undefined || socket.write(bytes);
}

/** The head of 101 Switching Protocols. */
export function switchingHead(exchange: Exchange): string {
  const added = `connection: upgrade\r\nx-request-id: ${exchange.id}\r\n`;
  return rewriteResponseHead(exchange.edge.responseHead, { contentLength: false, transferEncoding: false, upgrade: true, added });
}

function finalHead(exchange: Exchange, head: ResponseHead): string {
  const { bodyForm, keepAlive, addedFields, id } = exchange;
  const upgrade = head.status === upgradeRequired;
  const connection = upgrade ? 'upgrade' : connectionField(exchange, keepAlive);
  const option = connection === undefined ? '' : `connection: ${connection}\r\n`;
  const coding = bodyForm === 'chunked' ? 'transfer-encoding: chunked\r\n' : '';
  const others = addedFields.length === 0 ? '' : fieldLines(addedFields);
  return rewriteResponseHead(head, {
    // RFC 9110 8.6, RFC 9112 6.1: a 204 has neither.
    contentLength: head.status !== noContent && bodyForm !== 'chunked',
    transferEncoding: head.status !== noContent && bodyForm === 'framed' && exchange.minor === 1,
    upgrade,
    added: `x-request-id: ${id}\r\n${option}${coding}${others}`,
  });
}

function fieldLines(pairs: readonly string[]): string {
  let lines = '';
  for (let index = 0; index < pairs.length; index += 2) lines += `${pairs[index]}: ${pairs[index + 1]}\r\n`;
  return lines;
}

function connectionField({ minor }: Exchange, keep: boolean): string | undefined {
  if (!keep) return 'close';
  return minor === 0 ? 'keep-alive' : undefined;
}

/** RFC 9112 7.1. An empty chunk would end the body. */
function chunk(piece: Buffer | undefined, ended: boolean): Buffer | undefined {
  if (piece === undefined || piece.length === 0) return ended ? lastChunk : undefined;
  const parts = [Buffer.from(`${piece.length.toString(16)}\r\n`), piece, lineEnd];
  if (ended) parts.push(lastChunk);
  return Buffer.concat(parts);
}
