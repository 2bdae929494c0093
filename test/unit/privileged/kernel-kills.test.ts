import { describe, expect, test } from 'vitest';
import { createKillParser } from '../../../src/privileged/kernel-kills.ts';
import { parseStat } from '../../../src/privileged/process-use.ts';

const header = (path: string, name: string, constraint = 'CONSTRAINT_MEMCG'): string =>
  `6,65089,45558018409,-;oom-kill:constraint=${constraint},nodemask=(null),cpuset=/,mems_allowed=0-1,3,oom_memcg=/tenantd-1/t-acme,task_memcg=${path},task=${name},pid=10757,uid=1515204\n`;
const killed = (pid: number, name: string, prefix = 'Memory cgroup out of memory: '): string =>
  `3,65090,45558018438,-;${prefix}Killed process ${pid} (${name}) total-vm:1621444kB, anon-rss:212992kB, file-rss:34300kB, shmem-rss:8kB, UID:1515204 pgtables:952kB oom_score_adj:800\n`;

function parse(...records: string[]): ReturnType<typeof createKillParser> {
  const parser = createKillParser();
  for (const record of records) parser.read(record);
  return parser;
}

describe("the kernel's log", () => {
  test('tells who was ended in which group, and how large it was, once', () => {
    const parser = parse(header('/tenantd-1/t-acme/w.site.abc', 'perl'), killed(7, 'perl'));
    expect(parser.take('/tenantd-1/t-globex/host')).toEqual([]);
    expect(parser.take('/tenantd-1/t-acme/w.site.abc')).toEqual([
      { pid: 7, name: 'perl', memoryBytes: (212_992 + 34_300 + 8) * 1_024, ofMachine: false },
    ]);
    expect(parser.take('/tenantd-1/t-acme/w.site.abc')).toEqual([]);
  });

  test('tells all of a group that is ended as a whole', () => {
    const whole = '6,1,1,-;Tasks in /system.slice/tenantd-1/t-acme/w.site.abc are going to be killed due to memory.oom.group set\n';
    const parser = parse(header('/other', 'node'), killed(7, 'node'), whole, killed(8, 'bwrap'), killed(9, 'node'));
    expect(parser.take('/tenantd-1/t-acme/w.site.abc').map(({ pid }) => pid)).toEqual([8, 9]);
  });

  test('tells when it was the machine that had no memory left', () => {
    const parser = parse(header('/tenantd-1/t-acme/host', 'node', 'CONSTRAINT_NONE'), killed(7, 'node', 'Out of memory: '));
    expect(parser.take('/t-acme/host')).toMatchObject([{ ofMachine: true }]);
  });

  test.each([
    ['a comma and what looks like a field', 'a,task_memcg=/x'],
    ['a bracket and what looks like sizes', ') total-vm:1kB'],
    ['an end of a line, as the kernel writes it', 'a\\x0ab'],
  ])('is not misled by a name with %s', (_, name) => {
    const parser = parse(header('/tenantd-1/t-acme/host', name), killed(7, name));
    expect(parser.take('/tenantd-1/t-acme/host')).toMatchObject([{ pid: 7, name, memoryBytes: (212_992 + 34_300 + 8) * 1_024 }]);
    expect(parser.take('/x')).toEqual([]);
  });

  test.each([
    ['another program wrote', header('/t/host', 'x').replace(/^6/, '14')],
    ['is not about that', '6,1,1,-;eth0: link up\n'],
    ['is none', 'oom-kill:'],
    ['is empty', ''],
  ])('takes nothing from a record that %s', (_, record) => {
    expect(parse(record, killed(7, 'x')).take('')).toEqual([]);
  });

  test('keeps no more than so many that nobody asks for', () => {
    const records = Array.from({ length: 2_000 }, (_, pid) => killed(pid, 'x'));
    expect(parse(header('/t/host', 'x'), ...records).take('/t/host').length).toBeLessThan(600);
  });
});

describe('what /proc says of a process', () => {
  test('is read past whatever its name holds', () => {
    const stat = '7 (a) R 1 (b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 11 0 12345 1000000 512 18446744073709551615';
    expect(parseStat(7, stat)).toEqual({ pid: 7, name: 'a) R 1 (b', memoryBytes: 512 * 4_096, cpuSeconds: 3 });
  });
});
