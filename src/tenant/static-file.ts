import type { Stats } from 'node:fs';
import { type IncomingMessage, STATUS_CODES, type ServerResponse } from 'node:http';
import send from 'send';
import { chooseCoding } from '../http1/accept-encoding.ts';
import type { FileBelow } from './static-path.ts';
import { findTwins, type Twin } from './static-twins.ts';

export interface FileToSend {
  root: string;
  /** Relative to the root; both without links. */
  path: string;
  options?: send.SendOptions;
  /** What `path` is a twin of. */
  twinOf?: { path: string; coding: string };
}

/** Sends a file, or that twin of it whose coding the client wants most (RFC 9110 12.5.3). */
export async function sendBestTwin(
  request: IncomingMessage,
  response: ServerResponse,
  { root, file }: { root: string; file: FileBelow },
): Promise<void> {
  const twins = await findTwins(root, file);
  if (twins.length > 0) response.setHeader('vary', 'accept-encoding');
  const twin = bestTwin(twins, request.headers['accept-encoding']);
  if (!twin) return sendFile(request, response, { root, path: file.path });
  return sendFile(request, response, { root, path: twin.path, twinOf: { path: file.path, coding: twin.coding } });
}

function bestTwin(twins: readonly Twin[], acceptEncoding: string | string[] | undefined): Twin | undefined {
  const offered = twins.map(({ coding }) => coding);
  const coding = chooseCoding(acceptEncoding?.toString(), offered);
  return twins.find((twin) => twin.coding === coding);
}

export function sendFile(request: IncomingMessage, response: ServerResponse, { root, path, options, twinOf }: FileToSend): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  const sending = send(request, encoded, { ...options, root, index: false, dotfiles: 'allow' });
  if (twinOf) {
    sending.on('headers', (_response: ServerResponse, _path: string, stats: Stats) => {
      response.setHeader('content-encoding', twinOf.coding);
      response.setHeader('etag', twinTag(stats, twinOf.coding));
      sending.type(twinOf.path);
    });
  }
  sending.on('error', (error: { status?: number }) => {
    if (error.status === undefined || error.status >= 500 || response.headersSent) reject(error);
    else refuse(response, error.status);
  });
  response.once('close', resolve);
  sending.pipe(response);
  return promise;
}

/** `send` makes one of size and time, which two twins may have in common. */
function twinTag({ size, mtimeMs }: Stats, coding: string): string {
  return `W/"${size.toString(16)}-${Math.floor(mtimeMs).toString(16)}-${coding}"`;
}

/** A condition that does not hold (412), a range that is not there (416): nothing of the file's fields is true of that answer. */
function refuse(response: ServerResponse, status: number): void {
  for (const name of response.getHeaderNames()) {
    if (name !== 'content-range' && name !== 'vary') response.removeHeader(name);
  }
  response.statusCode = status;
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`${STATUS_CODES[status]}\n`);
}
