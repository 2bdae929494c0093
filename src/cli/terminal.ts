import { styleText } from 'node:util';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';
export type Paint = (style: Style, text: string) => string;

/** What readable text is made for. */
export interface TextLayout {
  width: number;
  paint: Paint;
  nowMs: number;
}

export interface Terminal {
  /** Columns that readable text should fit into. */
  width: number;
  /** Of stderr; without end where that is no terminal, so that a program finds a message in one line. */
  errorWidth: number;
  paint: Paint;
  writeOut: (text: string) => void;
  writeErr: (text: string) => void;
  /** From now on Ctrl-C calls back instead of ending the process. */
  onInterrupt(callback: () => void): void;
}

/** Whether to colour was decided by main.ts, so `styleText` is not to ask again. */
export function createPaint(colour: boolean): Paint {
  return (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text);
}

export function writeJson(terminal: Terminal, value: unknown): void {
  terminal.writeOut(`${JSON.stringify(value, null, 2)}\n`);
}

export function layoutOf({ terminal: { width, paint }, now }: { terminal: Terminal; now: () => number }): TextLayout {
  return { width, paint, nowMs: now() };
}
