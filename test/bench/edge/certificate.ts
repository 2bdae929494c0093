import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Certificate, hostName } from './proxy.ts';

/** Self-signed, ECDSA P-256. */
export function makeCertificate(folder: string): Certificate {
  const files = { chainFile: join(folder, 'chain.pem'), keyFile: join(folder, 'key.pem'), bothFile: join(folder, 'both.pem') };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', files.keyFile];
  const names = ['-subj', `/CN=${hostName}`, '-addext', `subjectAltName=DNS:${hostName}`];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', files.chainFile, '-days', '2', ...names], { stdio: 'pipe' });
  writeFileSync(files.bothFile, readFileSync(files.chainFile, 'utf8') + readFileSync(files.keyFile, 'utf8'), { mode: 0o600 });
  return files;
}
