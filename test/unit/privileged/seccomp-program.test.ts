import { describe, expect, test } from 'vitest';
import { assemble, type Decision, search } from '../../../src/privileged/seccomp-program.ts';
import { runProgram } from './bpf-machine.ts';

const answerOf = (program: Buffer, number: number, args: number[] = []): number =>
  runProgram(program, { auditArchitecture: 0, number, args }).answer;
const ofNumber = (next: Decision): Buffer => assemble({ load: 0, next });
const yes: Decision = { answer: 1 };
const no: Decision = { answer: 2 };

describe('a program', () => {
  test('is eight bytes an instruction, as struct sock_filter of linux/filter.h', () => {
    const program = ofNumber({ test: 'equals', value: 0x0102_0304, yes, no });
    expect(program.toString('hex').match(/.{16}/g)).toEqual([
      '2000000000000000', // ld [0]
      '1500010004030201', // jeq #0x01020304, yes, no
      '0600000002000000', // ret #2
      '0600000001000000', // ret #1
    ]);
  });

  test.each<[Extract<Decision, { test: unknown }>['test'], number, number[], number[]]>([
    ['equals', 7, [7], [6, 8, 0xffff_fff8]],
    ['atLeast', 7, [7, 8, 0xffff_ffff], [6, 0]],
    ['hasAnyBit', 0b110, [0b010, 0b100, 0b111], [0b001, 0b1000]],
  ])('that tests whether a number %s %i', (name, value, passing, failing) => {
    const program = ofNumber({ test: name, value, yes, no });
    expect(passing.map((number) => answerOf(program, number))).toEqual(passing.map(() => 1));
    expect(failing.map((number) => answerOf(program, number))).toEqual(failing.map(() => 2));
  });

  test('can keep some bits, and look at something else', () => {
    const program = ofNumber({
      mask: 0xf,
      next: { test: 'equals', value: 3, yes: { load: 16, next: { test: 'equals', value: 9, yes, no } }, no },
    });
    expect([answerOf(program, 0x73, [9]), answerOf(program, 0x73, [8]), answerOf(program, 0x74, [9])]).toEqual([1, 2, 2]);
  });

  test('has what several branches lead to only once', () => {
    const program = ofNumber(
      search(
        [1, 2, 3, 4, 5, 6, 7, 8].map((key) => [key, yes] as const),
        no,
      ),
    );
    const answers = program
      .toString('hex')
      .match(/.{16}/g)
      ?.filter((instruction) => instruction.startsWith('06'));
    expect(answers).toHaveLength(2);
  });

  test('reaches what is further away than a branch can jump, whichever branch', () => {
    const keys = Array.from({ length: 900 }, (_, index) => index * 3);
    const shared: Decision = { load: 16, next: { test: 'equals', value: 1, yes, no } };
    const entries = keys.map((key) => [key, key % 2 === 0 ? shared : { answer: 1_000 + key }] as const);
    const program = ofNumber(search(entries, no));
    expect(program.length / 8).toBeLessThan(4_096);
    const wanted = (number: number): number => (number % 3 !== 0 ? 2 : number % 2 === 0 ? 1 : 1_000 + number);
    const numbers = Array.from({ length: 2_700 }, (_, index) => index);
    expect(numbers.map((number) => answerOf(program, number, [1]))).toEqual(numbers.map(wanted));
  });
});

describe('a search', () => {
  test('finds every key in as many tests as it has digits, in whatever order they are given', () => {
    const keys = Array.from({ length: 128 }, (_, index) => (index * 37) % 128);
    const program = ofNumber(
      search(
        keys.map((key) => [key * 2, { answer: key }] as const),
        no,
      ),
    );
    expect(keys.map((key) => answerOf(program, key * 2))).toEqual(keys);
    expect(keys.map((key) => answerOf(program, key * 2 + 1))).toEqual(keys.map(() => 2));
    expect(runProgram(program, { auditArchitecture: 0, number: 254 }).steps).toBeLessThanOrEqual(1 + 7 + 1 + 1 + 1);
  });

  test('among nothing finds nothing', () => {
    expect(answerOf(ofNumber(search([], no)), 1)).toBe(2);
  });
});
