import type { ErrorCode } from './error-codes.ts';

/** Something wrong that does not stop the daemon: shown in `status` and by `check`. `line` and `column` count from 1. */
export interface Problem {
  code: ErrorCode;
  message: string;
  fix: string;
  file?: string;
  line?: number;
  column?: number;
  tenant?: string;
  app?: string;
}
