import type { DnsRecord, NameCheck, NameStatus } from '../protocol/certs.ts';
import type { DomainCheckResult, DomainStatus } from '../protocol/certificate-calls.ts';
import { groupByTenant, paintState, stateInWords } from './certificate-text.ts';
import { printable } from './printable.ts';
import { formatCount, formatDistance, formatWhen } from './quantities.ts';
import type { Paint, TextLayout } from './terminal.ts';
import { renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

const indent = '  ';
const detailIndent = '      ';
const gap = '  ';

export function renderDomains(domains: readonly DomainStatus[], { width, paint, nowMs }: TextLayout): string {
  if (domains.length === 0) return 'There are no domains: tenantctl domain add TENANT NAME\n';
  const rows = groupByTenant(domains, paint, (domain) => ({
    cells: [printable(domain.name), certificateWords(domain, nowMs), expiryOf(domain, nowMs)],
    paintCell: (text, column) => (column === 1 ? paintCertificate(domain, text, paint) : text),
    details: domain.redirectTo === undefined ? [] : [`${detailIndent}redirects to ${printable(domain.redirectTo)}`],
  }));
  return `${renderTable(['NAME', 'CERTIFICATE', 'EXPIRES'], rows, { width, paint, indent }).join('\n')}\n`;
}

function certificateWords({ certificate, status }: DomainStatus, nowMs: number): string {
  if (certificate === 'managed' && status) return stateInWords(status, nowMs);
  return { own: 'its own', managed: 'not known yet', unknown: 'not known yet', none: 'no https' }[certificate];
}

function paintCertificate({ certificate }: DomainStatus, text: string, paint: Paint): string {
  if (certificate === 'none') return text;
  return certificate === 'own' ? paint('green', text) : paintState(text, paint);
}

function expiryOf({ status }: DomainStatus, nowMs: number): string {
  return status?.notAfterMs === undefined ? '' : formatWhen(status.notAfterMs, nowMs);
}

export function renderCheck({ check, domain }: DomainCheckResult, layout: TextLayout): string {
  const { width, paint } = layout;
  const owner = domain ? ` of tenant ${printable(domain.tenant)}` : '';
  const findings = check.findings.flatMap((finding) => wrapText(printable(finding), width, indent));
  const certificate = explainCertificate(check, domain, layout).flatMap((text) => wrapText(printable(text), width, indent));
  const lines = [
    `${paint('bold', printable(check.name))}${owner}: ${paintVerdict(check.verdict, paint)}`,
    ...findings,
    ...['', ...renderRecords(check, layout)],
    ...['', paint('bold', 'Certificate'), ...certificate],
  ];
  return `${lines.join('\n')}\n`;
}

const verdictWords: Readonly<Record<NameCheck['verdict'], string>> = {
  'points-here': 'points here',
  'behind-proxy': 'behind a proxy',
  elsewhere: 'points elsewhere',
  'no-records': 'has no records',
  'forbidden-by-caa': 'CAA records forbid a certificate',
  loop: 'its CNAME records lead nowhere',
  unknown: 'not known',
};

function paintVerdict(verdict: NameCheck['verdict'], paint: Paint): string {
  if (verdict === 'points-here') return paint('green', verdictWords[verdict]);
  return paint(verdict === 'behind-proxy' || verdict === 'unknown' ? 'yellow' : 'red', verdictWords[verdict]);
}

/** Expected beside found where that fits, else below each other. */
function renderRecords({ name, expected, found }: NameCheck, { width, paint }: TextLayout): string[] {
  const wanted = expected.length === 0 ? ['not known'] : expected.map((record) => recordText(record, name));
  const there = found.length === 0 ? ['nothing'] : found.map((record) => recordText(record, name));
  const [leftHead, rightHead] = [wanted.length > 1 ? 'EXPECTED (one of these)' : 'EXPECTED', 'FOUND'];
  const leftWidth = Math.max(leftHead.length, ...wanted.map((text) => text.length));
  const rightWidth = Math.max(rightHead.length, ...there.map((text) => text.length));
  if (indent.length + leftWidth + gap.length + rightWidth > width) {
    const below = (text: string): string[] => wrapText(text, width, detailIndent);
    return [paint('dim', indent + leftHead), ...wanted.flatMap(below), paint('dim', indent + rightHead), ...there.flatMap(below)];
  }
  const rows = Array.from({ length: Math.max(wanted.length, there.length) }, (_, index) =>
    `${indent}${(wanted[index] ?? '').padEnd(leftWidth)}${gap}${there[index] ?? ''}`.trimEnd(),
  );
  return [paint('dim', `${indent}${leftHead.padEnd(leftWidth)}${gap}${rightHead}`), ...rows];
}

/** The name that is asked for goes without saying. */
function recordText({ name, type, value }: DnsRecord, asked: string): string {
  return printable(name === asked ? `${type} ${value}` : `${name} ${type} ${value}`);
}

/** "Why is there no certificate yet?" */
function explainCertificate({ name }: NameCheck, domain: DomainStatus | undefined, { nowMs }: TextLayout): string[] {
  if (!domain) return [`None is ordered: no tenant has this name (tenantctl domain add TENANT ${name}).`];
  const { certificate, status } = domain;
  if (certificate === 'none') return ['None: tenantd.yaml has no `https.listen`.'];
  if (certificate === 'own') return ["The tenant's own (`tls.certificate` in its tenant.yaml) covers it; none is ordered."];
  if (!status) return ['Nothing is known of it yet: it was just added, or the process that orders certificates is starting.'];
  const { message, lastError, failures } = status;
  return [
    message,
    ...servedNow(status, nowMs),
    ...(lastError === undefined || message.includes(lastError) ? [] : [`The last error: ${lastError}`]),
    ...(failures > 0 ? [`${formatCount(failures, 'try', 'tries')} failed since the last success.`] : []),
    ...nextTry(status, nowMs),
  ];
}

function servedNow({ issuer = 'an unknown issuer', notAfterMs }: NameStatus, nowMs: number): string[] {
  if (notAfterMs === undefined) return [];
  const end = `${notAfterMs > nowMs ? 'which expires' : 'which expired'} ${formatWhen(notAfterMs, nowMs)}`;
  return [`Served now: one of ${issuer}, ${end}.`];
}

function nextTry({ tenant, name, state, nextTryMs }: NameStatus, nowMs: number): string[] {
  if (nextTryMs === undefined || nextTryMs <= nowMs) return [];
  const distance = formatDistance(nextTryMs, nowMs);
  return [state === 'issued' ? `Renewed ${distance}.` : `Next try ${distance}; at once: tenantctl cert renew ${tenant} ${name}`];
}
