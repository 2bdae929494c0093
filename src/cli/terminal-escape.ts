const [newline, carriageReturn, tilde, dot] = [0x0a, 0x0d, 0x7e, 0x2e];

export interface EscapeFilter {
  /** What is to be sent of what was typed. */
  pass(typed: Buffer): Buffer;
  /** `~.` was typed at the beginning of a line. */
  isDone(): boolean;
}

/** As in ssh(1): the way out when the other side hangs, since Ctrl-C is for the program there. `~~` sends one `~`. */
export function createEscapeFilter(): EscapeFilter {
  let state: 'line-start' | 'tilde' | 'text' | 'done' = 'line-start';

  /** Answers with the bytes that this one lets through. */
  function step(byte: number): number[] {
    if (state === 'done') return [];
    if (state === 'line-start' && byte === tilde) {
      state = 'tilde';
      return [];
    }
    const held = state === 'tilde';
    if (held && byte === dot) {
      state = 'done';
      return [];
    }
    state = byte === newline || byte === carriageReturn ? 'line-start' : 'text';
    return held && byte !== tilde ? [tilde, byte] : [byte];
  }

  return {
    pass: (typed) => Buffer.from([...typed].flatMap(step)),
    isDone: () => state === 'done',
  };
}
