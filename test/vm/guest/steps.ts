import { messageOf } from './commands.ts';

/** What the host reads from the serial line. */
export const resultPrefix = 'vm-test: ';

export interface StepResult {
  step: string;
  ok: boolean;
  /** Figures to be printed, or why it failed. */
  detail: string;
  ms: number;
}

/** What is measured comes back as text. */
export type Step = () => Promise<string | undefined>;

/** After so many the rest says nothing any more. */
const mostFailures = 5;

/** One after another. Answers whether all went well. */
export async function runSteps(steps: Readonly<Record<string, Step>>): Promise<boolean> {
  let failures = 0;
  for (const [step, run] of Object.entries(steps)) {
    const startedMs = Date.now();
    const told = await run().then(
      (detail) => ({ ok: true, detail: detail ?? '' }),
      (error: unknown) => ({ ok: false, detail: messageOf(error) }),
    );
    report({ step, ...told, ms: Date.now() - startedMs });
    if (!told.ok && ++failures === mostFailures) break;
  }
  return failures === 0;
}

export function report(result: StepResult): void {
  process.stdout.write(`${resultPrefix}${JSON.stringify(result)}\n`);
}
