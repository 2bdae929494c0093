import { execFileSync } from 'node:child_process';

export interface DataRange {
  start: number;
  end: number;
}

/** Less than that is read as it is. */
const leastHoleBytes = 64 << 10;
const maxOutputBytes = 256 << 20;

/** lseek(2), SEEK_DATA and SEEK_HOLE, for which Node has no function. */
const script = `
open my $file, '<&=', 0 or die "$!\\n";
for (my $at = 0;;) {
  my $start = sysseek $file, $at, 3 or last;
  $at = sysseek $file, $start, 4 or last;
  print $start + 0, ' ', $at + 0, "\\n" }
`;

/** Where a file has data, in order; all the rest of it is zeros that take no room. */
export function dataRangesOf(file: number, size: number, allocatedBytes: number): DataRange[] {
  if (size === 0) return [];
  if (allocatedBytes + leastHoleBytes > size) return [{ start: 0, end: size }];
  const output = execFileSync('/usr/bin/perl', ['-e', script], {
    stdio: [file, 'pipe', 'inherit'],
    maxBuffer: maxOutputBytes,
    encoding: 'utf8',
  });
  return output
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [start = 0, end = 0] = line.split(' ').map(Number);
      return { start: Math.min(start, size), end: Math.min(end, size) };
    });
}
