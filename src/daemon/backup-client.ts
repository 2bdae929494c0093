import type { Duplex } from 'node:stream';
import { messageOf, TenantdError } from '../base/errors.ts';
import { type BackupEnd, backupFrames, type BackupPart, type BackupPartName, type BackupStep } from '../protocol/backup-calls.ts';
import { createFrameReader, writeBytes, writeFrame } from '../protocol/terminal.ts';
import { maxStateBytes } from './backup-state.ts';

/** Whoever backs up or restores: takes a backup or gives one, and hears what becomes of it. */
export interface BackupClient {
  /** Aborted when the connection ended before all was said. */
  readonly gone: AbortSignal;
  beginPart(part: BackupPartName): Promise<void>;
  send(bytes: Buffer): Promise<void>;
  endPart(): Promise<void>;
  /** The next part that is given must be that. What is in it, as it comes. */
  readPart(part: BackupPartName): AsyncGenerator<Buffer>;
  /** The whole of one. */
  readWhole(part: BackupPartName): Promise<Buffer>;
  /** Resolves when all was given, and is whole. */
  readCommit(ticket: string): Promise<void>;
  tell(step: BackupStep): void;
  end(end: BackupEnd): void;
}

const silenceLimitMs = 120_000;
const farewellMs = 10_000;
const maxMessageCharacters = 16_000;

interface Frame {
  type: number;
  payload: Buffer;
}

export function createBackupClient(stream: Duplex): BackupClient {
  const leaving = new AbortController();
  let isOver = false;
  const leave = (): void => {
    if (!isOver) leaving.abort(goneError);
  };
  stream.once('close', leave);
  if (stream.destroyed) leave();
  const frames = readFrames(stream);

  async function next(): Promise<Frame> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(silent), silenceLimitMs);
    try {
      const { value, done } = await Promise.race([frames.next(), promise]);
      if (done === true) throw goneError;
      if (value.type === backupFrames.cancel) throw canceled;
      return value;
    } finally {
      clearTimeout(timer);
    }
  }

  async function expect(type: number): Promise<Buffer> {
    const frame = await next();
    if (frame.type !== type) throw nonsense;
    return frame.payload;
  }

  /** One that takes nothing must not hold up what it asked for. */
  async function patiently(writing: Promise<void>): Promise<void> {
    const timer = setTimeout(() => stream.destroy(), silenceLimitMs);
    try {
      await writing;
    } catch {
      throw goneError;
    } finally {
      clearTimeout(timer);
    }
  }

  async function* readPart(part: BackupPartName): AsyncGenerator<Buffer> {
    const told = parsePart(await expect(backupFrames.part));
    if (told !== part) throw nonsense;
    for (let frame = await next(); frame.type !== backupFrames.partEnd; frame = await next()) {
      if (frame.type !== backupFrames.data) throw nonsense;
      yield frame.payload;
    }
  }

  const sendJson = (type: number, value: object): Promise<void> => patiently(writeBytes(stream, type, Buffer.from(JSON.stringify(value))));

  return {
    gone: leaving.signal,
    beginPart: (part) => sendJson(backupFrames.part, { part } satisfies BackupPart),
    send: (bytes) => patiently(writeBytes(stream, backupFrames.data, bytes)),
    endPart: () => patiently(writeFrame(stream, backupFrames.partEnd, Buffer.alloc(0))),
    readPart,
    async readWhole(part) {
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of readPart(part)) {
        bytes += chunk.length;
        if (bytes > maxStateBytes) throw nonsense;
        chunks.push(chunk);
      }
      return Buffer.concat(chunks, bytes);
    },
    async readCommit(ticket) {
      if ((await expect(backupFrames.commit)).toString('utf8') !== ticket) throw nonsense;
    },
    tell: (step) => void sendJson(backupFrames.step, step).catch(() => {}), // `gone` says it
    end(end) {
      isOver = true;
      if (stream.destroyed) return;
      // What still comes is dropped; and its end is heard.
      void frames.return(undefined).then(() => stream.resume());
      const timer = setTimeout(() => stream.destroy(), farewellMs);
      stream.once('close', () => clearTimeout(timer));
      void sendJson(backupFrames.end, end).catch(() => {}); // nobody is there to be told
      stream.end();
    },
  };
}

/** What comes is held in the connection until somebody asks for the next frame. */
async function* readFrames(stream: Duplex): AsyncGenerator<Frame> {
  const waiting: Frame[] = [];
  const read = createFrameReader((type, payload) => void waiting.push({ type, payload }));
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (!read(chunk)) throw nonsense;
    yield* waiting.splice(0);
  }
}

function parsePart(payload: Buffer): unknown {
  try {
    const value = JSON.parse(payload.toString('utf8')) as { part?: unknown } | null;
    return value?.part;
  } catch {
    throw nonsense;
  }
}

export function toBackupEnd(error: unknown): BackupEnd {
  if (error instanceof TenantdError)
    return { error: { code: error.code, message: error.message.slice(0, maxMessageCharacters), fix: error.fix } };
  return { error: { code: 'TENANTD_E_INTERNAL', message: messageOf(error), fix: 'see the log of the daemon' } };
}

const goneError = new TenantdError('TENANTD_E_UNREACHABLE', 'whoever asked for it went away', 'ask again');
const canceled = new TenantdError('TENANTD_E_BACKUP', 'it was given up', 'use a backup that is whole');
const silent = new TenantdError('TENANTD_E_TIMEOUT', `nothing more of the backup came for ${silenceLimitMs / 1_000} s`, 'try again');
const nonsense = new TenantdError('TENANTD_E_BACKUP', 'what came is no backup, or in disorder', 'use a backup that is whole');
