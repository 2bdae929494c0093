import { coversHost } from '../base/certificate-names.ts';
import type { TenantName } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Problem } from '../base/problem.ts';
import { readCertificate } from '../config/certificate-files.ts';
import { ownCertificateId } from './edge-certificates.ts';
import type { EdgeLink } from './edge-link.ts';
import type { Paths } from './paths.ts';
import type { TenantPicture } from './tenant-picture.ts';

/**
 * The certificate that a tenant's operator put into files, on its way to the edge.
 *
 * Invariants:
 * - To root it is bytes. They go to the edge alone: never into a log, an error, the state store or `status`.
 * - Files that can't be read, or that the edge refuses, are the tenant's problem, and leave what was served before in service.
 */
export interface OwnCertificate {
  /** Reads the files again; what changed reaches the edge at once. */
  look(): Promise<void>;
  /** The tenant's domains that need another certificate; undefined until the edge told what it makes of the files. */
  uncovered(): string[] | undefined;
  problems(): Problem[];
}

const id = ownCertificateId;

export function createOwnCertificate(parts: {
  edge: Pick<EdgeLink, 'certificates'>;
  picture: TenantPicture;
  paths: Paths;
  tenant: TenantName;
  log: Log;
}): OwnCertificate {
  const { picture, paths, tenant, log } = parts;
  const { certificates } = parts.edge;
  const dir = paths.tenantDirOf(tenant);
  const place = { dir, file: `${dir}/tenant.yaml`, closedDirs: paths.roots };
  let unreadable: Problem | undefined;

  function note(problem: Problem | undefined): void {
    if (problem && problem.message !== unreadable?.message) log.warn({ tenant, code: problem.code }, problem.message);
    unreadable = problem;
  }

  function refusal(): Problem[] {
    const files = picture.desired()?.config.tls.files;
    const { problem, isServed } = certificates.stateOf(tenant, id);
    if (!files || problem === undefined) return [];
    const before = isServed ? '; the one before it is served' : '';
    const message = `\`tls.certificate\`, ${files.certificate}: ${problem}${before}`;
    const fix = 'put a certificate chain and its key in place, as PEM';
    return [{ code: 'TENANTD_E_CERTIFICATE', message, fix, file: place.file, line: files.line, column: files.column }];
  }

  return {
    async look() {
      const files = picture.desired()?.config.tls.files;
      if (!files) {
        note(undefined);
        return certificates.remove(tenant, id);
      }
      const { text, problem } = await readCertificate(files, place);
      note(problem);
      if (text) certificates.set({ tenant, id, ...text });
    },
    uncovered() {
      const domains = (picture.desired()?.domains ?? []).map(({ name }) => name);
      if (!picture.desired()?.config.tls.files) return domains;
      const { isServed, problem, names } = certificates.stateOf(tenant, id);
      if (isServed) return domains.filter((name) => !coversHost(names, name));
      return (unreadable ?? problem) === undefined ? undefined : domains;
    },
    problems: () => (unreadable ? [unreadable] : refusal()),
  };
}
