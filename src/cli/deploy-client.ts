import type { Duplex } from 'node:stream';
import { TenantdError } from '../base/errors.ts';
import { archiveFrames, type DeployEnd, deployFrames, type DeployResult, type DeployStep } from '../protocol/deploy.ts';
import { createFrameReader, writeBytes, writeFrame } from '../protocol/terminal.ts';
import type { ArchiveChunks } from './deploy-archive.ts';

export interface DeployHearer {
  onSent: (bytes: number) => void;
  onStep: (step: DeployStep) => void;
  /** What the build prints, in the tenant's words. */
  onOutput: (bytes: Buffer) => void;
}

/** Sends an archive and hears what becomes of it. Throws what the daemon says is wrong. */
export async function runDeployClient(stream: Duplex, archive: ArchiveChunks, hearer: DeployHearer): Promise<DeployResult> {
  let end: DeployEnd | undefined;
  const read = createFrameReader((type, payload) => {
    if (type === deployFrames.step) hearer.onStep(JSON.parse(payload.toString()) as DeployStep);
    else if (type === deployFrames.output) hearer.onOutput(payload);
    else if (type === deployFrames.end) end = JSON.parse(payload.toString()) as DeployEnd;
  });
  const sending = send(stream, archive, hearer, () => end !== undefined);
  // What is wrong with the archive itself; the daemon's word on it counts for more, and comes first.
  let fault: unknown;
  sending.catch((error: unknown) => {
    fault = error;
    stream.destroy();
  });
  try {
    for await (const chunk of stream) if (!read(chunk as Buffer)) break;
  } catch {
    // The connection broke: what was said until then decides.
  }
  if (end) return resultOf(end);
  if (fault !== undefined) throw fault;
  throw new TenantdError(
    'TENANTD_E_UNREACHABLE',
    'the daemon closed the connection',
    'see tenantctl app releases whether it serves, and deploy again',
  );
}

function resultOf(end: DeployEnd): DeployResult {
  if ('result' in end) return end.result;
  throw new TenantdError(end.error.code, end.error.message, end.error.fix);
}

async function send(stream: Duplex, archive: ArchiveChunks, { onSent }: DeployHearer, isOver: () => boolean): Promise<void> {
  let bytes = 0;
  for await (const chunk of archive) {
    if (isOver() || stream.destroyed) return;
    // It was refused, or the daemon is gone: what is read says which.
    if (!(await wasTaken(writeBytes(stream, archiveFrames.data, Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))))) return;
    bytes += chunk.length;
    onSent(bytes);
  }
  await wasTaken(writeFrame(stream, archiveFrames.end, Buffer.alloc(0)));
}

function wasTaken(writing: Promise<void>): Promise<boolean> {
  return writing.then(
    () => true,
    () => false,
  );
}
