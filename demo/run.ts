/** What the demo replays: recorded runs of an agent. */

/** A chat message as it was recorded: a role, and whatever else there is. */
export interface Message {
  role: string
  [field: string]: unknown
}

export interface Run {
  id: string
  customer: string
  /** What is known of the customer besides. */
  profile: Record<string, unknown>
  /** At least one. */
  messages: Message[]
}

export function countMessages(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + run.messages.length, 0)
}
