import type { CertCaResult } from '../protocol/certificate-calls.ts';
import { printable } from './printable.ts';
import { formatWhen } from './quantities.ts';
import type { TextLayout } from './terminal.ts';
import { wrapText } from './wrap-text.ts';

const saved = 'tenantd-local-ca.pem';

/** How to trust it: the program, and lines to paste or steps to take. */
const recipes: readonly (readonly [string, readonly string[]])[] = [
  ['Save it (also for another machine)', [`tenantctl cert ca --pem > ${saved}`]],
  ['Debian, Ubuntu', [`sudo cp ${saved} \\`, '  /usr/local/share/ca-certificates/tenantd-local-ca.crt', 'sudo update-ca-certificates']],
  [
    'Chromium, Chrome on Linux (package libnss3-tools)',
    ['certutil -d sql:"$HOME/.pki/nssdb" -A -t C,, -n tenantd-local-ca \\', `  -i ${saved}`],
  ],
  [
    'Firefox',
    ['Settings, Privacy & Security, View Certificates, Authorities, Import:', `choose ${saved}, tick "Trust this CA to identify websites"`],
  ],
  ['macOS', ['sudo security add-trusted-cert -d -r trustRoot \\', `  -k /Library/Keychains/System.keychain ${saved}`]],
  ['curl, once', [`curl --cacert ${saved} https://...`]],
  ['Node', [`NODE_EXTRA_CA_CERTS=${saved} node ...`]],
];

const explanation =
  'It signs for every domain while tenantd.yaml has no `acme`. A browser that trusts it trusts whatever this machine signs: have it trusted by your own machines only.';

export function renderLocalCa({ file, subject, fingerprint, notAfterMs }: CertCaResult, { width, paint, nowMs }: TextLayout): string {
  const half = Math.ceil(fingerprint.length / 2);
  const facts = [
    `  root         ${printable(file)}`,
    `  subject      ${printable(subject).replaceAll('\\x0a', ', ')}`,
    `  SHA-256      ${printable(fingerprint.slice(0, half))}`,
    `               ${printable(fingerprint.slice(half))}`,
    `  expires      ${formatWhen(notAfterMs, nowMs)}`,
  ];
  const steps = recipes.flatMap(([program, lines]) => ['', paint('bold', program), ...lines.map((line) => `  ${line}`)]);
  const lines = [paint('bold', 'The local CA'), ...facts, '', ...wrapText(explanation, width), ...steps];
  return `${lines.join('\n')}\n`;
}
