import { constants } from 'node:os';
import type { HostRequests } from '../protocol/host.ts';
import type { Failure } from './pool.ts';

export type WorkerExit = Omit<HostRequests['worker-exited']['params'], 'workerId'>;

/** Why a worker that was to go on ended, as a person would say it. */
export function describeExit(exit: WorkerExit, ranMs: number, wasReady: boolean, lastLines: string[]): Failure {
  const after = `after ${formatDuration(ranMs)}`;
  if (exit.outOfMemory) return { code: 'TENANTD_E_APP_MEMORY', reason: `was ended at its memory limit ${after}`, lastLines };
  if (isHeapExhausted(exit, lastLines)) {
    return { code: 'TENANTD_E_APP_MEMORY', reason: `ran out of JavaScript heap memory ${after}`, lastLines };
  }
  return { code: 'TENANTD_E_APP_FAILED', reason: `${describeCode(exit, wasReady)} ${after}`, lastLines };
}

function describeCode({ exitCode, detail }: WorkerExit, wasReady: boolean): string {
  if (exitCode === null) return detail ? `ended (${detail})` : 'ended for a reason that is not known';
  if (exitCode === 0) return wasReady ? 'ended by itself' : 'ended by itself without listening';
  const signal = signalName(exitCode - 128);
  return signal ? `was killed by ${signal}` : `exited with code ${exitCode}`;
}

/** V8 prints this and aborts, well below the limit of the control group. */
function isHeapExhausted({ exitCode }: WorkerExit, lastLines: string[]): boolean {
  return exitCode === 128 + constants.signals.SIGABRT && lastLines.some((line) => line.includes('JavaScript heap out of memory'));
}

function signalName(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

export function formatDuration(ms: number): string {
  if (ms < secondMs) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < minuteMs) return `${Number((ms / secondMs).toFixed(1))} s`;
  if (ms < 2 * hourMs) return `${Math.round(ms / minuteMs)} min`;
  return `${Math.round(ms / hourMs)} h`;
}
