/**
 * - `starting`: it does not listen yet, or its health path did not answer yet.
 * - `ready`: the edge may send requests.
 * - `unhealthy`: its health path stopped to answer; it serves on until another is ready in its place.
 * - `deaf`, `hung`: it can answer no request any more, because it closed its listener, or because its event loop is blocked.
 * - `retired`: it is to end, and the edge sends nothing more, but a schedule's run still goes on in it.
 * - `stopping`: the daemon was asked to end it; from then on nothing it does is a failure.
 */
export type WorkerPhase = 'starting' | 'ready' | 'unhealthy' | 'deaf' | 'hung' | 'retired' | 'stopping';

export const workerEvents = ['is-ready', 'is-unhealthy', 'is-deaf', 'is-hung', 'retire', 'stop'] as const;
export type WorkerEvent = (typeof workerEvents)[number];

/** What becomes of a worker. It is gone only when the daemon says so. */
export const workerPhases: Readonly<Record<WorkerPhase, Readonly<Record<WorkerEvent, WorkerPhase>>>> = {
  // Columns as in `workerEvents`:
  //              is-ready    is-unhealthy  is-deaf     is-hung     retire      stop
  starting: next('ready', 'starting', 'deaf', 'starting', 'retired', 'stopping'),
  ready: next('ready', 'unhealthy', 'deaf', 'hung', 'retired', 'stopping'),
  unhealthy: next('unhealthy', 'unhealthy', 'deaf', 'hung', 'retired', 'stopping'),
  deaf: next('deaf', 'deaf', 'deaf', 'hung', 'retired', 'stopping'),
  hung: next('hung', 'hung', 'hung', 'hung', 'hung', 'stopping'),
  retired: next('retired', 'retired', 'retired', 'hung', 'retired', 'stopping'),
  stopping: next('stopping', 'stopping', 'stopping', 'stopping', 'stopping', 'stopping'),
};

function next(...phases: WorkerPhase[]): Record<WorkerEvent, WorkerPhase> {
  return Object.fromEntries(workerEvents.map((event, at) => [event, phases[at]])) as Record<WorkerEvent, WorkerPhase>;
}
