import { execFileSync } from 'node:child_process';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { errnoOf } from '../base/errors.ts';
import { type BackupJobRequest, type BackupJobResult, backupStreamFd } from '../protocol/backup-job.ts';
import { RecordFault } from '../protocol/backup-records.ts';
import { TreePacker } from './backup-files.ts';
import { inPieces } from './in-pieces.ts';
import { TreeWriter } from './restore-files.ts';

/** The level of zstd that takes about as long as the rest. */
const level = { params: { [constants.ZSTD_c_compressionLevel]: 3 } };
const withLimit = { params: { [constants.ZSTD_d_windowLogMax]: 23 } };

/** Packs a tenant's files, or unpacks them: as the one who may give files from one of its users to another. */
export async function runBackupJob(request: BackupJobRequest): Promise<BackupJobResult> {
  return request.job === 'backup-files' ? pack(request) : unpack(request);
}

async function pack({ areas, owners }: BackupJobRequest & { job: 'backup-files' }): Promise<BackupJobResult> {
  const packer = new TreePacker(owners);
  const output = new Socket({ fd: backupStreamFd, readable: false, writable: true });
  await pipeline(Readable.from(inPieces(packer.pack(areas))), createZstdCompress(level), output);
  return { size: packer.size, leftOut: packer.leftOut };
}

async function unpack(request: BackupJobRequest & { job: 'restore-files' }): Promise<BackupJobResult> {
  const input = new Socket({ fd: backupStreamFd, readable: true, writable: false });
  const unpacked = createZstdDecompress(withLimit);
  const feeding = pipeline(input, unpacked);
  // What it says is told by the reader, too.
  feeding.catch(() => {});
  try {
    const size = await new TreeWriter(request).write(unpacked as AsyncIterable<Buffer>);
    await feeding;
    // On the disk before anybody is told.
    for (const dir of new Set(request.areas.map((area) => area.dir))) execFileSync('/usr/bin/sync', ['--file-system', dir]);
    return { size };
  } catch (error) {
    return { fault: faultOf(error) };
  } finally {
    // Whoever sends more is to hear that nobody takes it.
    input.destroy();
    unpacked.destroy();
  }
}

function faultOf(error: unknown): NonNullable<BackupJobResult['fault']> {
  const errno = errnoOf(error);
  if (error instanceof RecordFault) return { message: error.message, fix: 'use a backup that is whole' };
  if (errno === 'ENOSPC' || errno === 'EDQUOT')
    return {
      message: 'there is no room for its files',
      fix: "give it a plan with more `disk` or `files` (--plan), or make room on the machine's disk",
    };
  if (errno?.startsWith('Z') === true || errno?.startsWith('ERR_') === true)
    return { message: 'its files can not be unpacked', fix: 'use a backup that is whole' };
  throw error;
}
