/** Bugs in sequences and conversations. */
import type { Mutants } from './mutant.js'

export const SHAPE_MUTANTS: Mutants = {
  'positions-begin-anew': {
    what: 'a conversation that comes back after a delete begins at the positions that it had',
    breaks: 'I26',
    caughtBy: 'test:shapes/conversations',
    edits: [{ file: 'shapes/list-plans.js', find: 'this.#home.core.engine.lastLsn + 1', replace: '1' }],
  },
  'head-goes-with-the-items': {
    what: 'a sequence whose items have all gone begins at 0 again',
    breaks: 'I26',
    caughtBy: 'test:shapes/lists-model',
    edits: [
      {
        file: 'shapes/list-plans.js',
        find: 'to === head.next && !this.#kind.isKept',
        replace: 'to === head.next',
      },
    ],
  },
  'turns-not-taken': {
    what: 'appends to one sequence do not wait for one another when its head has to be read',
    breaks: 'I27',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/turns.js',
        find: 'call.waitsFor = call.keys.filter(key => this.#calls.has(key)).length;',
        replace: 'call.waitsFor = 0;',
      },
    ],
  },
  'fed-before-sync': {
    what: 'a follower is shown what a crash may take back',
    breaks: 'I28',
    caughtBy: 'test:shapes/follow',
    edits: [{ file: 'shapes/reading.js', find: 'found.lsn > durableLsn()', replace: 'false' }],
  },
  'feed-deaf-at-first': {
    what: 'a follower is not woken by the sync of what was accepted before it came',
    breaks: 'I28',
    caughtBy: 'test:shapes/follow',
    edits: [{ file: 'engine/feeds.js', find: '        this.written(key);\n', replace: '' }],
  },
  'duplicate-answered-early': {
    what: 'a message that is there already is answered before the first one is as durable as is asked',
    breaks: 'I1',
    caughtBy: 'test:shapes/conversations',
    edits: [{ file: 'shapes/list-plans.js', find: 'items.length === 0 ? lsn : seen', replace: '0' }],
  },
}
