const maxLines = 20;
/** What the message `app-state` may hold. */
const maxCharacters = 2_000;

export interface LastLines {
  add(line: string): void;
  list(): string[];
}

/** What a worker printed last, kept so that a failed start explains itself. */
export function createLastLines(): LastLines {
  const lines: string[] = [];
  return {
    add(line) {
      lines.push(line.slice(0, maxCharacters));
      if (lines.length > maxLines) lines.shift();
    },
    list: () => [...lines],
  };
}
