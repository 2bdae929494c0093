/** A line that both have, or one of them. */
export interface DiffLine {
  mark: ' ' | '-' | '+';
  text: string;
}

/** Of the table below; what is larger is told as wholly replaced. */
const mostCells = 4_000_000;
const contextLines = 3;

/** Hunks as diff(1) has them with -u, without the names of files. Empty when nothing differs. */
export function unifiedDiff(before: string, after: string): string[] {
  if (before === after) return [];
  const lines = diffLines(splitLines(before), splitLines(after));
  return hunksOf(lines).flatMap((hunk) => [headOf(lines, hunk), ...lines.slice(hunk.start, hunk.end).map(({ mark, text }) => mark + text)]);
}

/** A last line that has no end differs from one that has. */
function splitLines(text: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  else lines.push('\\ no newline at the end');
  return lines;
}

/** By their longest common subsequence, between what is the same at both ends. */
export function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  const least = Math.min(before.length, after.length);
  let start = 0;
  while (start < least && before[start] === after[start]) start++;
  let end = 0;
  while (end < least - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  const same = (lines: readonly string[]): DiffLine[] => lines.map((text) => ({ mark: ' ', text }));
  const middle = diffMiddle(before.slice(start, before.length - end), after.slice(start, after.length - end));
  return [...same(before.slice(0, start)), ...middle, ...same(before.slice(before.length - end))];
}

function diffMiddle(before: readonly string[], after: readonly string[]): DiffLine[] {
  const lengths = before.length * after.length > mostCells ? undefined : commonLengths(before, after);
  const width = after.length + 1;
  const lines: DiffLine[] = [];
  let [left, right] = [0, 0];
  while (left < before.length || right < after.length) {
    const [old, next] = [before[left], after[right]];
    const isRemoved =
      next === undefined || (lengths ? (lengths[(left + 1) * width + right] ?? 0) >= (lengths[left * width + right + 1] ?? 0) : true);
    if (lengths && old !== undefined && old === next) {
      lines.push({ mark: ' ', text: old });
      left++;
      right++;
    } else if (old !== undefined && isRemoved) lines.push({ mark: '-', text: before[left++] ?? '' });
    else lines.push({ mark: '+', text: after[right++] ?? '' });
  }
  return lines;
}

/** How many lines the rests from each two lines on have in common. */
function commonLengths(before: readonly string[], after: readonly string[]): Uint32Array {
  const width = after.length + 1;
  const lengths = new Uint32Array((before.length + 1) * width);
  for (let left = before.length - 1; left >= 0; left--) {
    for (let right = after.length - 1; right >= 0; right--) {
      const isSame = before[left] === after[right];
      const [down, aside, both] = [
        lengths[(left + 1) * width + right] ?? 0,
        lengths[left * width + right + 1] ?? 0,
        lengths[(left + 1) * width + right + 1] ?? 0,
      ];
      lengths[left * width + right] = isSame ? both + 1 : Math.max(down, aside);
    }
  }
  return lengths;
}

interface Hunk {
  start: number;
  end: number;
}

/** Lines that changed, with those around them; what would touch is one. */
function hunksOf(lines: readonly DiffLine[]): Hunk[] {
  const hunks: Hunk[] = [];
  for (const [index, { mark }] of lines.entries()) {
    if (mark === ' ') continue;
    const [start, end] = [Math.max(0, index - contextLines), Math.min(lines.length, index + contextLines + 1)];
    const last = hunks.at(-1);
    if (last && start <= last.end) last.end = end;
    else hunks.push({ start, end });
  }
  return hunks;
}

function headOf(lines: readonly DiffLine[], { start, end }: Hunk): string {
  const range = (without: '+' | '-'): string => {
    const count = (part: readonly DiffLine[]): number => part.filter(({ mark }) => mark !== without).length;
    const [before, length] = [count(lines.slice(0, start)), count(lines.slice(start, end))];
    return `${length === 0 ? before : before + 1},${length}`;
  };
  return `@@ -${range('+')} +${range('-')} @@`;
}
