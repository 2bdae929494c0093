import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';

/**
 * Opens a log to be read; undefined when there is none. Whoever writes the folder could put a link there, or a FIFO, which would keep its
 * reader waiting for ever: that is none either.
 */
export function openLog(path: string): number | undefined {
  const fd = openPlain(path);
  if (fd === undefined || fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  return undefined;
}

function openPlain(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
