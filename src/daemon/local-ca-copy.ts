import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { readPlainFile } from '../config/plain-file.ts';
import { replaceFile } from '../privileged/operator-files.ts';
import type { LocalCaInfo } from '../protocol/certs.ts';
import type { CertsLink } from './certs-link.ts';

/** The state of `certs` is closed to people: its root certificate, which is no secret, is copied to where they can read it. */
export async function publishLocalCa(certs: CertsLink, file: string): Promise<LocalCaInfo> {
  const info = await certs.request('local-ca', {});
  const { text } = await readPlainFile(file, { maxBytes: 1 << 20 });
  if (text !== info.certificate) replaceFile(file, info.certificate, { uid: 0, gid: 0, mode: 0o644 });
  return info;
}

const tryAgainMs = 5_000;

/** On a slow machine `certs` may not be there yet; and a disk may be full for a while. */
export async function publishLocalCaSoon(certs: CertsLink, file: string, log: Log): Promise<void> {
  await certs.settled;
  for (;;) {
    try {
      await publishLocalCa(certs, file);
      return;
    } catch (error) {
      log.warn({ file, error: messageOf(error) }, "the local CA's certificate could not be copied yet");
      await delay(tryAgainMs, undefined, { ref: false });
    }
  }
}
