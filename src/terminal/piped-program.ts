import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { makePipes } from './pipes.ts';
import { cannotStart, type Program, type ProgramExit, type ProgramOptions, signalGroup, throughShell } from './program.ts';

/** A program whose stdin, stdout and stderr are pipes. */
export function startPipedProgram({ command, env, cwd }: ProgramOptions): Program {
  const { input, output, errors, ends, closeEnds } = makePipes();
  const [file, args] = throughShell(command);
  // In a process group of its own: a signal is for what it started, too.
  const child = spawn(file, args, { stdio: ends, env, cwd, detached: true });
  closeEnds();
  const { promise: exited, resolve } = Promise.withResolvers<ProgramExit>();
  child.once('exit', (code, signal) => resolve({ code: code ?? 0, signal: signal === null ? 0 : constants.signals[signal] }));
  // The tenant may have no process left to have.
  child.once('error', (error) => {
    errors.push(Buffer.from(`${error.message}\n`));
    resolve({ code: cannotStart, signal: 0 });
  });
  return {
    input,
    endInput: () => input.end(),
    outputs: [
      { stream: output, isError: false },
      { stream: errors, isError: true },
    ],
    resize: () => {},
    signal(signal) {
      if (child.pid !== undefined) signalGroup(child.pid, signal);
    },
    exited,
  };
}
