import type { DnsRecord } from '../protocol/certs.ts';
import type { DomainChangeResult } from '../protocol/certificate-calls.ts';
import type { RecordsToSet } from './dns-records.ts';
import { printable } from './printable.ts';
import { renderProblem } from './problem-text.ts';
import { formatCount } from './quantities.ts';
import type { TextLayout } from './terminal.ts';
import { renderTable } from './text-table.ts';
import { wrapText } from './wrap-text.ts';

const indent = '  ';
/** Of a longer list people want its size. */
const shownNames = 20;

interface ChangeText {
  tenant: string;
  /** `added`, `would be removed` */
  done: string;
  /** `there before` */
  before: string;
}

export function renderChange({ changed, unchanged, problems }: DomainChangeResult, text: ChangeText, layout: TextLayout): string[] {
  const { width, paint } = layout;
  const head = `${paint('bold', printable(text.tenant))}: ${formatCount(changed.length, 'domain')} ${text.done}`;
  const same = unchanged.length === 0 ? [] : wrapText(`${text.before}: ${listNames(unchanged)}`, width, indent);
  return [
    head,
    ...changed.slice(0, shownNames).map((name) => indent + printable(name)),
    ...(changed.length > shownNames ? [`${indent}and ${changed.length - shownNames} more`] : []),
    ...same,
    ...problems.flatMap((problem) => renderProblem(problem, { width, paint, indent })),
  ];
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, shownNames).map(printable).join(', ');
  return names.length > shownNames ? `${shown} and ${names.length - shownNames} more` : shown;
}

/** For the person who runs the domains' DNS. */
export function renderRecordsToSet({ records, challenges, local, unknown }: RecordsToSet, { width, paint }: TextLayout): string[] {
  return [
    ...renderAddressRecords(records, { width, paint }),
    ...(unknown.length === 0 ? [] : ['', ...wrapText(unknownText, width)]),
    ...renderChallenges(challenges, width),
    ...(local.length === 0 ? [] : ['', ...wrapText('Names below .localhost need no DNS records.', width)]),
  ];
}

const unknownText =
  "Set A or AAAA records with this machine's public addresses for each name. They are not known here: tenantd.yaml can say them, in `acme.publicAddresses`.";

function renderAddressRecords(records: readonly DnsRecord[], { width, paint }: Pick<TextLayout, 'width' | 'paint'>): string[] {
  const names = new Set(records.map(({ name }) => name));
  const values = new Set(records.map(({ type, value }) => `${type} ${value}`));
  if (names.size === 0) return [];
  const which = values.size > 1 ? 'at least one of these DNS records' : 'this DNS record';
  if (names.size > shownNames) {
    const lines = wrapText(`Set, for each of the ${names.size} names, ${which} (--json has them one by one):`, width);
    return ['', ...lines, ...[...values].map((value) => indent + value)];
  }
  const rows = records.map(({ name, type, value }) => ({ cells: [name, type, value].map(printable) }));
  return [
    '',
    ...wrapText(`Set, for each name, ${which}:`, width),
    ...renderTable(['NAME', 'TYPE', 'VALUE'], rows, { width, paint, indent }),
  ];
}

function renderChallenges(challenges: readonly string[], width: number): string[] {
  if (challenges.length === 0) return [];
  const [records, are] = challenges.length === 1 ? ['the TXT record', 'is'] : ['the TXT records', 'are'];
  const text = `With \`acme\`, a wildcard is proved by ${records} below (dns-01), which ${are} set for each order: by \`acme.dnsHook\` or dynamic updates, not by hand.`;
  const more = challenges.length > shownNames ? [`${indent}and ${challenges.length - shownNames} more`] : [];
  return ['', ...wrapText(text, width), ...challenges.slice(0, shownNames).map((name) => `${indent}${printable(name)}  TXT`), ...more];
}
