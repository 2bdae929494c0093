/** A system call as the kernel shows it to a filter: `struct seccomp_data` of seccomp(2). */
export interface SeccompData {
  auditArchitecture: number;
  number: number;
  args?: readonly (number | bigint)[];
}

export interface Verdict {
  answer: number;
  /** Instructions that ran. */
  steps: number;
  /** Offsets of `struct seccomp_data` that it looked at. */
  looked: number[];
}

/** Runs a program as the kernel would, and throws for what its checker refuses (seccomp_check_filter, bpf_check_classic). */
export function runProgram(program: Buffer, data: SeccompData): Verdict {
  if (program.length % 8 !== 0 || program.length === 0 || program.length > 8 * 4_096) throw new Error('not a program');
  const bytes = encode(data);
  const looked: number[] = [];
  let accumulator = 0;
  let next = 0;
  for (let steps = 1; ; steps += 1) {
    const at = next * 8;
    if (at >= program.length) throw new Error(`ran past the end at ${next}`);
    const [code, yes, no, value] = [
      program.readUInt16LE(at),
      program.readUInt8(at + 2),
      program.readUInt8(at + 3),
      program.readUInt32LE(at + 4),
    ];
    next += 1;
    if (code === 0x06) return { answer: value, steps, looked };
    if (code === 0x20) {
      if (value % 4 !== 0 || value >= bytes.length) throw new Error(`loads from ${value}`);
      looked.push(value);
      accumulator = bytes.readUInt32LE(value);
    } else if (code === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (code === 0x05) next += value;
    else next += holds(code, accumulator, value) ? yes : no;
  }
}

function holds(code: number, accumulator: number, value: number): boolean {
  if (code === 0x15) return accumulator === value;
  if (code === 0x35) return accumulator >= value;
  if (code === 0x45) return (accumulator & value) !== 0;
  throw new Error(`an instruction of code ${code}`);
}

function encode({ auditArchitecture, number, args = [] }: SeccompData): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(number >>> 0, 0);
  bytes.writeUInt32LE(auditArchitecture, 4);
  args.forEach((value, index) => bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 16 + 8 * index));
  return bytes;
}
