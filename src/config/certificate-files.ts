import { isAbsolute, join } from 'node:path';
import type { Problem } from '../base/problem.ts';
import { placed } from './placed.ts';
import { readPlainFile } from './plain-file.ts';
import type { CertificateFiles } from './tenant-config.ts';

/** Both as PEM, which is not understood here: the daemon is root, and the edge parses them. */
export interface CertificateText {
  chain: string;
  key: string;
}

export interface CertificatePlace {
  /** The tenant's folder, and its tenant.yaml, which problems point to. */
  dir: string;
  file: string;
  /** Folders that hold what tenants write: no absolute path may lead into them. */
  closedDirs: readonly string[];
}

export type CertificateResult = { text: CertificateText; problem?: undefined } | { text?: undefined; problem: Problem };

/** Together they fit into one frame to the edge (1 MiB), also where every character of them has to be escaped. */
const maxBytes = { certificate: 256 << 10, key: 64 << 10 } as const;

/**
 * The operator's files that `tls` of a tenant.yaml names. What lies in the tenant's folder is no link. An absolute path is taken at
 * its word, links too, since certbot's are some; but only root may be able to write what it leads to.
 */
export async function readCertificate(files: CertificateFiles, place: CertificatePlace): Promise<CertificateResult> {
  const [certificate, key] = await Promise.all([readPem('certificate', files, place), readPem('key', files, place)]);
  if (certificate.problem) return certificate;
  if (key.problem) return key;
  return { text: { chain: certificate.text, key: key.text } };
}

type PemResult = { text: string; problem?: undefined } | { text?: undefined; problem: Problem };

async function readPem(part: 'certificate' | 'key', files: CertificateFiles, place: CertificatePlace): Promise<PemResult> {
  const path = files[part];
  const asIs = isAbsolute(path);
  const full = asIs ? path : join(place.dir, path);
  const tell = ({ code, message, fix }: Problem): PemResult => {
    const { line, column } = files;
    return { problem: placed({ code, message: `\`tls.${part}\`, ${full}: ${message}`, fix }, { file: place.file, line, column }) };
  };
  if (asIs && place.closedDirs.some((dir) => full.startsWith(`${dir}/`))) return tell(closedPath);
  const { text, problem } = await readPlainFile(full, { maxBytes: maxBytes[part], followLink: asIs, rootOnly: asIs });
  // Its words on text that is none are those for configuration files.
  if (problem) return tell(problem.code === 'TENANTD_E_YAML' ? notPem : problem);
  return /[^\n\r\t\x20-\x7e]/.test(text) ? tell(notPem) : { text };
}

const closedPath: Problem = {
  code: 'TENANTD_E_BAD_PATH',
  message: "the path leads into one of tenantd's own folders",
  fix: "write a path relative to the tenant's folder, or keep the file elsewhere",
};

const notPem: Problem = {
  code: 'TENANTD_E_CERTIFICATE',
  message: 'the file is not PEM text',
  fix: 'convert it: openssl x509 -inform DER, openssl pkey -inform DER',
};
