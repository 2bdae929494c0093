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
