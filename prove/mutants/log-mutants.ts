/** Bugs of the log: what is written in which order, and what a reader believes. */
import type { Mutants } from './mutant.js'

export const LOG_MUTANTS: Mutants = {
  'ack-before-sync': {
    what: 'a frame is acknowledged although nothing has synced it',
    breaks: 'I1',
    caughtBy: 'power',
    edits: [
      { file: 'log/log.js', find: 'await this.#active.file.dataSync();', replace: '' },
      { file: 'log/log.js', find: 'this.#active.file.dataSyncNow();', replace: '' },
    ],
  },
  'sync-tried-again': {
    what: 'a sync that has failed is asked for again, and its success is believed',
    breaks: 'I9',
    caughtBy: 'faults',
    edits: [
      {
        file: 'log/log.js',
        find: 'await this.#active.file.dataSync();',
        replace: 'await this.#active.file.dataSync().catch(() => this.#active.file.dataSync());',
      },
      {
        file: 'log/log.js',
        find: 'this.#active.file.dataSyncNow();',
        replace: 'try { this.#active.file.dataSyncNow(); } catch { this.#active.file.dataSyncNow(); }',
      },
    ],
  },
  'no-folder-sync': {
    what: 'the name of a new segment is not synced',
    breaks: 'I1',
    caughtBy: 'power',
    edits: [
      {
        file: 'log/folder.js',
        find: 'await this.fs.rename(blank.path, path);',
        replace: 'await this.fs.rename(blank.path, path); return { name, path };',
      },
    ],
  },
  'named-before-synced': {
    what: 'a new segment gets its name before its content is synced',
    breaks: 'I11',
    caughtBy: 'power',
    edits: [{ file: 'log/folder.js', find: 'await blank.file.sync();', replace: '' }],
  },
  'tail-not-made-durable': {
    what: 'recovery serves the last frame before its copy is on stable storage',
    breaks: 'I11',
    caughtBy: 'power',
    edits: [
      {
        file: 'log/folder.js',
        find: 'await blank.file.sync();',
        replace: 'if (firstFrame === undefined) await blank.file.sync();',
      },
    ],
  },
  'tail-not-copied': {
    what: 'recovery goes on in a new segment without the last frame of the old one',
    breaks: 'I11',
    caughtBy: 'power',
    edits: [{ file: 'log/log.js', find: 'const last = scan?.last;', replace: 'const last = undefined;' }],
  },
  'names-of-the-dead-trusted': {
    what: 'recovery does not sync the names that a killed process has left',
    breaks: 'I11',
    caughtBy: 'test:crash/recovery-order',
    edits: [
      {
        file: 'engine/recovery.js',
        find: 'await config.fileSystem.syncFolder(logs.path);\n    const segments = await openSegments(logs);\n    if (segments.length === 0) {',
        replace: 'const segments = await openSegments(logs);\n    if (segments.length === 0) {',
      },
    ],
  },
  'release-without-sync': {
    what: 'segments are removed without a sync of the folder between, so that a newer one may go before an older one',
    breaks: 'I10',
    caughtBy: 'power',
    edits: [
      {
        file: 'log/folder.js',
        find: 'await this.fs.unlink(path);\n        await this.fs.syncFolder(this.path);',
        replace: 'await this.fs.unlink(path);',
      },
    ],
  },
  'body-unchecked': {
    what: "a frame's body is taken without a look at its checksum",
    breaks: 'I17',
    caughtBy: 'flip',
    edits: [{ file: 'log/frame.js', find: 'if (bytes.readUInt32LE(bodyEnd) !== chain)', replace: 'if (false)' }],
  },
  'frame-header-unchecked': {
    what: "a frame's header is taken without a look at its checksum",
    breaks: 'I17',
    caughtBy: 'flip',
    edits: [
      {
        file: 'log/format.js',
        find: 'if (crc !== crc32(copy.subarray(0, FRAME_HEADER_BYTES - 4)))',
        replace: 'if (false)',
      },
    ],
  },
  'segment-header-unchecked': {
    what: "a segment's header is taken without a look at its checksum",
    breaks: 'I17',
    caughtBy: 'flip',
    edits: [
      {
        file: 'log/format.js',
        find: 'if (copy.readUInt32LE(124) !== crc32(copy.subarray(0, 124)))',
        replace: 'if (false)',
      },
    ],
  },
  'chain-unchecked': {
    what: 'a frame is taken although it does not continue the one before it',
    breaks: 'I8',
    caughtBy: 'fuzz',
    edits: [
      {
        file: 'log/reader.js',
        find: 'if (this.#chain !== undefined && header.chain !== this.#chain)',
        replace: 'if (false)',
      },
    ],
  },
  'salt-unchecked': {
    what: 'a frame that another life of the file has left is taken for one of this life',
    breaks: 'I8',
    caughtBy: 'fuzz',
    edits: [{ file: 'log/reader.js', find: 'if (header.salt !== this.#ref.salt)', replace: 'if (false)' }],
  },
  'end-not-fixed': {
    what: 'a segment that ends before its successor says it does is taken for the end of the log',
    breaks: 'I8',
    caughtBy: 'fuzz',
    edits: [{ file: 'log/reader.js', find: 'if (this.#fixedEnd !== undefined) {', replace: 'if (false) {' }],
  },
  'torn-at-first-damage': {
    what: 'damage is taken for a torn tail although a whole frame stands behind it',
    breaks: 'I8',
    caughtBy: 'fuzz',
    edits: [
      {
        file: 'log/reader.js',
        find: 'if (at + block !== offset && isFrameHeaderOf(',
        replace: 'if (false && isFrameHeaderOf(',
      },
    ],
  },
  'seen-one-window-far': {
    what: 'a reader looks for a whole frame behind damage, but not farther than it reads at a time',
    breaks: 'I8',
    caughtBy: 'fuzz',
    edits: [{ file: 'log/reader.js', find: 'at += chunk.length;', replace: 'break;' }],
  },
  'damage-is-torn': {
    what: 'a frame with a bad checksum is taken for a torn tail although no part of it is unwritten',
    breaks: 'I8',
    caughtBy: 'flip',
    edits: [{ file: 'log/reader.js', find: 'if (!unwritten)', replace: 'if (false)' }],
  },
  'zeros-unmasked': {
    what: 'values of zeros are written as they are, so that a damaged frame looks like one never written whole',
    breaks: 'I8',
    caughtBy: 'flip',
    edits: [{ file: 'log/frame.js', find: 'while (has', replace: 'while (false && has' }],
  },
  'close-copied': {
    what: 'the frame of a clean close, which says that no LSN above it was handed out, is copied as one by recovery',
    breaks: 'I7',
    caughtBy: 'power',
    edits: [
      {
        file: 'log/log.js',
        find: 'last.header.type === FrameType.close ? FrameType.checkpoint : last.header.type;',
        replace: 'last.header.type;',
      },
    ],
  },
  'lsn-used-twice': {
    what: 'after a crash LSNs go on behind the last one that was logged, not above all that were handed out',
    breaks: 'I7',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/recovery.js',
        find: 'mark, identity, scan.ceiling + 1)',
        replace: 'mark, identity, scan.lastLsn + 1)',
      },
    ],
  },
}
