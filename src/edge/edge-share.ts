/** One edge's part of a count that is the plan's for all edges together; rounded up, so that a limit of one leaves each something. */
export function edgeShare(total: number, processes: number): number {
  return Math.ceil(total / processes);
}
