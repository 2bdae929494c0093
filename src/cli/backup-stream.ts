import type { Duplex } from 'node:stream';
import { TenantdError } from '../base/errors.ts';
import { type BackupEnd, backupFrames, type BackupStep } from '../protocol/backup-calls.ts';
import { createFrameReader, writeFrame } from '../protocol/terminal.ts';

export interface StreamHearer {
  onStep: (step: BackupStep) => void;
  /** A frame of the backup, as it is in its file. */
  onFrame?: (type: number, payload: Buffer) => Promise<void>;
}

/** Hears what the daemon says until its end. Throws what is wrong. */
export async function hearDaemon(
  stream: Duplex,
  { onStep, onFrame }: StreamHearer,
): Promise<Extract<BackupEnd, { result: unknown }>['result']> {
  const waiting: { type: number; payload: Buffer }[] = [];
  const read = createFrameReader((type, payload) => void waiting.push({ type, payload }));
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (!read(chunk)) break;
    for (const { type, payload } of waiting.splice(0)) {
      if (type === backupFrames.step) onStep(JSON.parse(payload.toString()) as BackupStep);
      else if (type === backupFrames.end) return resultOf(JSON.parse(payload.toString()) as BackupEnd);
      else await onFrame?.(type, payload);
    }
  }
  throw new TenantdError('TENANTD_E_UNREACHABLE', 'the daemon closed the connection', 'look whether it runs, and into its log');
}

function resultOf(end: BackupEnd): Extract<BackupEnd, { result: unknown }>['result'] {
  if ('result' in end) return end.result;
  throw new TenantdError(end.error.code, end.error.message, end.error.fix);
}

/** Sends what a backup holds, which is frames already, then that it is whole; or that it is not, and throws why. */
export async function sendBackup(
  stream: Duplex,
  content: AsyncIterable<Buffer>,
  ticket: string,
  onSent: (bytes: number) => void,
): Promise<void> {
  try {
    for await (const bytes of content) {
      if (!(await write(stream, bytes))) return;
      onSent(bytes.length);
    }
    await writeFrame(stream, backupFrames.commit, Buffer.from(ticket)).catch(() => {}); // what is read says why
  } catch (error) {
    await writeFrame(stream, backupFrames.cancel, Buffer.alloc(0)).catch(() => {}); // it is gone: then so is what it made
    throw error;
  }
}

/** False when nobody takes it any more: what is read says why. */
function write(stream: Duplex, bytes: Buffer): Promise<boolean> {
  if (stream.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => void stream.write(bytes, (error) => resolve(!error)));
}
