import { describe, expect, test } from 'vitest';
import { judgeProbes, probeArguments } from '../../../src/daemon/probe-run.ts';
import { probes } from '../../../src/protocol/probe-list.ts';
import type { Probe, ProbeInput } from '../../../src/protocol/probes.ts';

const chosen: Probe[] = ['mount.bind', 'socket.protocols'].map((id) => probes.find((probe) => probe.id === id) as Probe);
const outcomesOf = (output: string, silence?: string) => judgeProbes(chosen, output, silence).map(({ outcome, ok }) => [outcome, ok]);

describe('what a sandbox answers to the attacks on it', () => {
  test('is judged by what is expected, each part of an answer for itself', () => {
    expect(outcomesOf('mount.bind\tEPERM\nsocket.protocols\tEAFNOSUPPORT,EPROTONOSUPPORT\n')).toEqual([
      ['EPERM', true],
      ['EAFNOSUPPORT,EPROTONOSUPPORT', true],
    ]);
    expect(outcomesOf('mount.bind\tok\nsocket.protocols\tEAFNOSUPPORT,ok\n')).toEqual([
      ['ok', false],
      ['EAFNOSUPPORT,ok', false],
    ]);
  });

  test.each(['', 'mount.bind\n', 'other.probe\tEPERM\n', '__proto__\tEPERM\n', '\t\t\t\n', 'mount.bind EPERM\n'])(
    'counts as failed where it is missing or cut: %j',
    (output) => {
      expect(outcomesOf(output, 'nothing')).toEqual([
        ['nothing', false],
        ['nothing', false],
      ]);
    },
  );

  test('counts as failed where there are two answers, even to the same end', () => {
    expect(outcomesOf('mount.bind\tEPERM\nmount.bind\tEPERM\nsocket.protocols\tEAFNOSUPPORT\n')).toEqual([
      ['answered more than once', false],
      ['EAFNOSUPPORT', true],
    ]);
  });

  test('is printable and short', () => {
    const [first] = judgeProbes(chosen, `mount.bind\t\u001b[2J${'x'.repeat(5_000)}\n`);
    expect(first?.outcome).toMatch(/^\?\[2Jx{196}$/);
  });
});

test('what must not be reached goes onto a command line that has room for it', () => {
  const many = Array.from({ length: 1_000 }, (_, index) => `item-${index}`);
  const input: ProbeInput = {
    ...{
      files: many,
      folders: many,
      unixSockets: many,
      abstractSockets: many,
      namespaces: many,
      words: many,
      interfaces: many,
      environment: many,
    },
    ...{ pids: [5_000], uids: [200_001], loopbackPorts: [80] },
    endpoints: [
      { host: '203.0.113.1', port: 443 },
      { host: '2001:db8::1', port: 443 },
    ],
  };
  const words = probeArguments(input);
  expect(words).toEqual(expect.arrayContaining(['file=item-0', 'pid=5000', 'endpoint=203.0.113.1:443', 'endpoint=[2001:db8::1]:443']));
  expect(words.length).toBeLessThan(400);
});
