/** Bugs in blobs. */
import type { Mutants } from './mutant.js'

export const BLOB_MUTANTS: Mutants = {
  'upload-without-orphan': {
    what: 'the chunks of an upload are written with nothing that says so',
    breaks: 'I29',
    caughtBy: 'power',
    edits: [{ file: 'shapes/upload.js', find: 'if (this.#written === this.#orphanChunks)', replace: 'if (false)' }],
  },
  'orphan-after-chunks': {
    what: 'an orphan speaks of fewer chunks than were written',
    breaks: 'I29',
    caughtBy: 'test:shapes/blob-changes',
    edits: [{ file: 'shapes/upload.js', find: 'this.#orphanChunks * 2', replace: 'this.#orphanChunks' }],
  },
  'replaced-blob-stays': {
    what: 'the chunks of what was replaced stay for ever',
    breaks: 'I29',
    caughtBy: 'power',
    edits: [
      { file: 'shapes/blobs.js', find: 'if (replaced === undefined || replaced.size === 0)', replace: 'if (true)' },
    ],
  },
  'reader-not-waited-for': {
    what: 'chunks are removed under a stream that reads them',
    breaks: 'I29',
    caughtBy: 'test:shapes/blob-changes',
    edits: [{ file: 'shapes/orphans.js', find: 'if (this.#readers.has(generation))', replace: 'if (false)' }],
  },
  'running-upload-removed': {
    what: 'an upload that goes on is taken for one that a dead process has left',
    breaks: 'I29',
    caughtBy: 'test:crash/blobs',
    edits: [{ file: 'shapes/orphans.js', find: 'if (!this.#owned.has(id))', replace: 'if (true)' }],
  },
  'refused-chunk-committed': {
    what: 'a blob is committed although one of its chunks was refused',
    breaks: 'I29',
    caughtBy: 'test:shapes/blob-changes',
    edits: [
      {
        file: 'shapes/upload.js',
        find: 'if (this.#failure !== undefined)\n            throw this.#failure.error;\n        return',
        replace: 'return',
      },
    ],
  },
}
