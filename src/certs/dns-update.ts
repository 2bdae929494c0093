import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import type { Rfc2136 } from '../protocol/certs.ts';
import { encodeMessage, encodeText, type Message, opcode, recordClass, recordType, uint16 } from '../dns/message.ts';
import type { HookAction } from './dns-hook.ts';
import { TryFault } from './try-fault.ts';
import { signMessage } from './tsig.ts';
import { type Answer, parseAnswer } from './update-answer.ts';

const timeoutMs = 10_000;
const recordTtlSeconds = 60;

/** RFC 2136, 2.2, and RFC 8945, 5.2. */
const rcodeNames: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  9: 'NOTAUTH',
  10: 'NOTZONE',
};

/** Adds or removes one TXT record at the zone's primary server. */
export async function updateText(settings: Rfc2136, action: HookAction, name: string, value: string, nowMs: number): Promise<void> {
  const zone = settings.zone ?? (await findZone(settings, name));
  // RFC 2136, 2.5.1 and 2.5.4: one record is added, or just this one removed.
  const change = action === 'present' ? { class: recordClass.IN, ttl: recordTtlSeconds } : { class: recordClass.NONE, ttl: 0 };
  const message: Message = {
    id: randomInt(0x1_0000),
    opcode: opcode.update,
    question: { name: zone, type: recordType.SOA, class: recordClass.IN },
    authority: [{ name, type: recordType.TXT, ...change, data: encodeText(value) }],
    additional: [],
  };
  const key = { name: settings.keyName, secret: Buffer.from(settings.keySecret, 'base64') };
  const { rcode } = await exchange(settings.server, signMessage(message, key, nowMs), message.id);
  if (rcode !== 0) throw fault(settings.server, `refused to update ${zone} (${rcodeNames[rcode] ?? rcode})`);
}

/** The SOA record of the question's zone comes as the answer, or in the authority section (RFC 2308, 3). */
async function findZone({ server }: Rfc2136, name: string): Promise<string> {
  const id = randomInt(0x1_0000);
  const question = { name, type: recordType.SOA, class: recordClass.IN };
  const { zones } = await exchange(server, encodeMessage({ id, opcode: opcode.query, question, authority: [], additional: [] }), id);
  const [zone] = zones;
  if (zone === undefined) throw fault(server, `has no zone for ${name}`);
  return zone;
}

/** By TCP (RFC 2136, 6.2; RFC 1035, 4.2.2): updates are rare, and nothing gets lost or forged on the way. */
function exchange(server: string, message: Buffer, id: number): Promise<Answer> {
  const { host, port } = splitServer(server);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const chunks: Buffer[] = [];
    const fail = (what: string): void => {
      socket.destroy();
      reject(fault(server, what));
    };
    socket.setTimeout(timeoutMs, () => fail('did not answer'));
    socket.on('error', (error) => fail(`can not be reached: ${error.message}`));
    socket.on('end', () => fail('closed the connection'));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      const received = Buffer.concat(chunks);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const answer = parseAnswer(received.subarray(2, 2 + received.readUInt16BE(0)));
      if (!answer || answer.id !== id) return fail('answered with something else');
      socket.destroy();
      resolve(answer);
    });
    socket.write(Buffer.concat([uint16(message.length), message]));
  });
}

function splitServer(server: string): { host: string; port: number } {
  const { hostname, port } = new URL(`dns://${server}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port === '' ? 53 : port) };
}

function fault(server: string, what: string): TryFault {
  return new TryFault('outside', `the DNS server ${server} ${what}`);
}
