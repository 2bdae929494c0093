import type { Duplex, Writable } from 'node:stream';
import { TenantdError } from '../base/errors.ts';
import { archiveFrames, type DeployEnd, deployFrames, type DeployStep } from '../protocol/deploy.ts';
import { createFrameReader, writeBytes, writeFrame } from '../protocol/terminal.ts';

/** Whoever deploys: sends an archive, and hears what becomes of it. */
export interface DeployClient {
  /** Aborted when the connection ended before all was said. */
  readonly gone: AbortSignal;
  /**
   * Passes the archive on, unread: what is held here is one chunk. Resolves at its end, or when `program` takes no more; rejects when the
   * client is gone, or silent for too long, or sends nonsense.
   */
  sendTo(program: Writable): Promise<void>;
  tell(step: DeployStep): Promise<void>;
  print(bytes: Buffer): Promise<void>;
  end(end: DeployEnd): void;
}

const silenceLimitMs = 60_000;
/** For a client to take what is left to be said. */
const farewellMs = 10_000;

export function createDeployClient(stream: Duplex): DeployClient {
  const leaving = new AbortController();
  let isOver = false;
  const goneError = new TenantdError('TENANTD_E_UNREACHABLE', 'whoever deployed it went away', 'deploy it again');
  const leave = (): void => {
    if (!isOver) leaving.abort(goneError);
  };
  stream.once('close', leave);
  stream.once('end', leave);
  if (stream.destroyed) leave();

  async function sendTo(program: Writable): Promise<void> {
    leaving.signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(silent), silenceLimitMs);
    const onGone = (): void => reject(goneError);
    leaving.signal.addEventListener('abort', onGone);
    // It has ended, or refused what came: its own answer says which.
    program.once('close', resolve).once('error', () => resolve());
    let [writing, isEnded] = [0, false];
    const read = createFrameReader((type, payload) => {
      if (type === archiveFrames.data && !isEnded) {
        writing += 1;
        program.write(payload, () => {
          writing -= 1;
          // While it waited, nothing could come.
          timer.refresh();
          if (writing === 0) stream.resume();
        });
      } else if (type === archiveFrames.end) {
        isEnded = true;
        program.end(resolve);
      }
    });
    const hear = (chunk: Buffer): void => {
      timer.refresh();
      if (!read(chunk)) reject(nonsense);
      if (writing > 0 && !isEnded) stream.pause();
    };
    stream.on('data', hear).resume();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      leaving.signal.removeEventListener('abort', onGone);
      stream.off('data', hear);
      // What still comes is dropped; and its end is heard.
      stream.resume();
    }
  }

  /** A client that is gone is told nothing; that it is, `gone` says. One that takes nothing must not hold up what it asked for. */
  async function ignoringGone(writing: Promise<void>): Promise<void> {
    const timer = setTimeout(() => stream.destroy(), silenceLimitMs);
    await writing.catch(() => {});
    clearTimeout(timer);
  }

  return {
    gone: leaving.signal,
    sendTo,
    tell: (step) => ignoringGone(writeFrame(stream, deployFrames.step, Buffer.from(JSON.stringify(step)))),
    print: (bytes) => ignoringGone(writeBytes(stream, deployFrames.output, bytes)),
    end(end) {
      isOver = true;
      if (stream.destroyed) return;
      const timer = setTimeout(() => stream.destroy(), farewellMs);
      stream.once('close', () => clearTimeout(timer));
      void ignoringGone(writeBytes(stream, deployFrames.end, Buffer.from(JSON.stringify(end))));
      stream.end();
    },
  };
}

const silent = new TenantdError('TENANTD_E_TIMEOUT', `nothing more of the archive came for ${silenceLimitMs / 1_000} s`, 'deploy it again');
const nonsense = new TenantdError(
  'TENANTD_E_INVALID_REQUEST',
  'what came is not of a deploy',
  'use tenantctl of the same version as the daemon',
);
