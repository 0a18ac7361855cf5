/** A broken invariant: our bug. It stays on in production: stopping is better than going on with doubtful state. */
export class InvariantError extends Error {
  constructor(what: string) {
    super(`Invariant broken: ${what}. This is a bug in Holdfast; please report it with this stack.`)
    this.name = 'InvariantError'
  }
}

/** Throws unless `condition` holds. `what` names the invariant and its number in DESIGN.md. */
export function invariant(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantError(what)
}
