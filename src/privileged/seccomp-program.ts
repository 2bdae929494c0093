/**
 * What to do with a system call, as a tree whose branches may meet again. A value of `struct seccomp_data` is loaded, then tested;
 * an object that stands in several places becomes code once.
 */
export type Decision =
  | { answer: number }
  /** Takes the 32 bits at this offset of `struct seccomp_data`. */
  | { load: number; next: Decision }
  /** Keeps these bits of what was loaded. */
  | { mask: number; next: Decision }
  | { test: keyof typeof tests; value: number; yes: Decision; no: Decision };

/** <linux/bpf_common.h>: class, size or operation, and source in one. */
const tests = { equals: 0x15, atLeast: 0x35, hasAnyBit: 0x45 } as const;
const codes = { load: 0x20, mask: 0x54, jump: 0x05, answer: 0x06 } as const;

interface Instruction {
  code: number;
  value: number;
  yes?: number;
  no?: number;
}

const furthestBranch = 255;

/**
 * The program as seccomp(2) takes it: `struct sock_filter[]` (linux/filter.h), in the byte order of both machines that we run on.
 * It is built from its end: jumps go forwards only, so where one leads is in place before it.
 */
export function assemble(decision: Decision): Buffer {
  const backwards: Instruction[] = [];
  /** How many instructions before the end each part begins. */
  const places = new Map<Decision, number>();

  function add(instruction: Instruction): number {
    return backwards.push(instruction);
  }

  function place(part: Decision): number {
    const known = places.get(part);
    if (known !== undefined) return known;
    const placed = build(part);
    places.set(part, placed);
    return placed;
  }

  function build(part: Decision): number {
    if ('answer' in part) return add({ code: codes.answer, value: part.answer });
    if ('test' in part) return branch(part);
    goOnAt(place(part.next));
    return 'load' in part ? add({ code: codes.load, value: part.load }) : add({ code: codes.mask, value: part.mask });
  }

  function branch({ test, value, yes, no }: Extract<Decision, { test: unknown }>): number {
    const places = [place(yes), place(no)] as const;
    // A jump that is added for the second moves the first one further away by one.
    const nearYes = withinReach(places[0], furthestBranch - 1);
    const nearNo = withinReach(places[1], furthestBranch);
    const here = backwards.length;
    return add({ code: tests[test], value, yes: here - nearYes, no: here - nearNo });
  }

  function withinReach(place: number, reach: number): number {
    return backwards.length - place <= reach ? place : jumpTo(place);
  }

  function goOnAt(place: number): void {
    if (backwards.length !== place) jumpTo(place);
  }

  function jumpTo(place: number): number {
    return add({ code: codes.jump, value: backwards.length - place });
  }

  place(decision);
  return Buffer.concat(backwards.toReversed().map(encode));
}

function encode({ code, value, yes = 0, no = 0 }: Instruction): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(yes, 2);
  bytes.writeUInt8(no, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}

/** A decision by a key that is loaded already: as many tests as the keys' number has binary digits. */
export function search(entries: readonly (readonly [key: number, decision: Decision])[], otherwise: Decision): Decision {
  const sorted = entries.toSorted(([a], [b]) => a - b);
  const [first, second] = sorted;
  if (!first) return otherwise;
  if (!second) return { test: 'equals', value: first[0], yes: first[1], no: otherwise };
  const middle = sorted.length >> 1;
  const [upper, lower] = [sorted.slice(middle), sorted.slice(0, middle)];
  const pivot = upper[0]?.[0] ?? 0;
  return { test: 'atLeast', value: pivot, yes: search(upper, otherwise), no: search(lower, otherwise) };
}
