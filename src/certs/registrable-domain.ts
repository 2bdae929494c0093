/**
 * Second-level labels under which registries of countries give out names: `example.co.uk` is one customer's, `co.uk` nobody's.
 * The public suffix list (https://publicsuffix.org) knows thousands more; this rule errs towards one budget for several customers
 * there, and so towards too few orders.
 */
const registryLabels = new Set([
  'ac',
  'co',
  'com',
  'edu',
  'gob',
  'gov',
  'go',
  'ltd',
  'me',
  'mil',
  'ne',
  'net',
  'nom',
  'or',
  'org',
  'plc',
  'sch',
]);

/** The domain that somebody registered, by which CAs count: `example.com` of `*.shops.example.com`. */
export function registrableDomainOf(name: string): string {
  const labels = name.replace(/^\*\./, '').split('.');
  const [second = '', top = ''] = labels.slice(-2);
  const isRegistry = top.length === 2 && registryLabels.has(second);
  return labels.slice(isRegistry ? -3 : -2).join('.');
}
