/** Bugs in a memory without a log. */
import type { Mutants } from './mutant.js'

export const DIRECT_MUTANTS: Mutants = {
  'answer-taken-for-lost': {
    what: 'a batch whose reply was lost is sent again although the store has said what came of it',
    breaks: 'I31',
    caughtBy: 'test:direct/unknown-outcome',
    edits: [{ file: 'engine/direct/link.js', find: 'if (outcomes !== undefined)', replace: 'if (false)' }],
  },
  'number-used-again': {
    what: 'a batch is sent again under the number that was settled',
    breaks: 'I31',
    caughtBy: 'test:direct/unknown-outcome',
    edits: [
      {
        file: 'engine/direct/link.js',
        find: 'sequence: ++this.#sequence',
        replace: 'sequence: (this.#sequence ||= 1)',
      },
    ],
  },
  'condition-not-sent': {
    what: 'what an update was planned on is not checked by the store',
    breaks: 'I31',
    caughtBy: 'test:direct/direct',
    edits: [
      {
        file: 'engine/direct/plan.js',
        find: 'states.get(key).lsn || null : undefined',
        replace: 'undefined : undefined',
      },
    ],
  },
  'refusal-untold': {
    what: 'a write that the store has refused is told as stored',
    breaks: 'I1',
    caughtBy: 'test:direct/refusals',
    edits: [{ file: 'engine/direct/writer.js', find: 'round.refusals.set(entry.key, error);', replace: '' }],
  },
  'refused-batch-in-part': {
    what: 'of a batch that the store has refused the rest is stored',
    breaks: 'I21',
    caughtBy: 'test:direct/refusals',
    edits: [
      {
        file: 'engine/direct/parcel.js',
        find: 'const number = batches.of(each.entry.key, each.number);',
        replace: 'const number = batches && each.number;',
      },
    ],
  },
  'never-stale': {
    what: 'what the tier holds is served however old it is',
    breaks: 'I6',
    caughtBy: 'test:direct/direct',
    edits: [{ file: 'engine/direct/reader.js', find: '< this.#parts.staleMs', replace: '< Infinity' }],
  },
  'late-read-fills': {
    what: 'a read that began before a write of this node fills the tier behind it',
    breaks: 'I6',
    caughtBy: 'test:direct/reads',
    edits: [{ file: 'engine/direct/reader.js', find: 'if (load.isStale)', replace: 'if (false)' }],
  },
  'heads-unguarded': {
    what: 'nodes append to one list without looking at what others have appended',
    breaks: 'I26',
    caughtBy: 'test:direct/direct',
    edits: [{ file: 'engine/turns.js', find: 'if (!keys.includes(write.key))', replace: 'if (true)' }],
  },
}
