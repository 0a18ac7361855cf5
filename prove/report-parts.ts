/** What docs/proof.md says of each part: what it does, and what it cannot see. The figures are those of a run. */

export interface PartDescription {
  does: string
  cannotSee: string
}

export const PARTS: Readonly<Record<string, PartDescription>> = {
  power: {
    does: text(`Random programs write, delete, update, compare and set, batch, flush, checkpoint, close and open again, at
      all three durabilities, in maps with each compression and without; they append to sequences and conversations, trim and
      delete them, set preferences, put blobs of one chunk and of several, load what a map lacks, and write many at once; on a simulated disk that forgets what was not synced: any subset of unsynced writes, of their
      sectors, and of names. At about half of all file calls the power is cut in several ways, the real engine opens what
      is left, and everything in it is compared with what the program had been told. A list must hold its items without a gap,
      a blob every byte, and nothing may stand there that no shape shows: no item, no chunk that nothing names. Some of these disks are crashed again:
      within the recovery, after it, and after new writes. What was acknowledged as write-through must be in the store
      alone. A failure is made small: the fewest steps, and the simplest crash, that still show it.`),
    cannotSee:
      text(`The data store is a small one of ours, a file that only grows, or a store of files, since LevelDB does its
      file calls by itself: that is what real-power is for. What goes wrong in a file system or in a disk that lies is not simulated.`),
  },
  'real-power': {
    does: text(`Real processes with LevelDB run the same programs under a recorder of their file calls. The disks that a power cut may leave
      are rebuilt from the record, and real processes recover on them, again under the recorder.`),
    cannotSee: text('What a disk may forget is our model of it; no kernel and no device is cut.'),
  },
  kill: {
    does: text(`Real processes run the same programs in a real folder and are killed with SIGKILL at random moments, also while they open.
      The next one reports what it has found, and is judged by what the dead one had been told.`),
    cannotSee: text('The kernel keeps what a killed process has written, so a missing sync does not show.'),
  },
  faults: {
    does: text(`Every file call of a real process, which uses every shape and compression, fails in every way, once or from then on: an error of the device, a full
      disk, a short write, a kill, a sync that lies, a sync that fails once and lets go of its data. Nothing acknowledged
      is lost, every error has a code, nothing hangs, and no rejection goes unheard.`),
    cannotSee: text('Two faults of different kinds at once; calls that LevelDB makes by mapping files.'),
  },
  stores: {
    does: text(`Every store runs the suite that is there for authors of stores. Over each of them, and of each durability, a memory
      is asked for what it promises: answers at the milestone asked for, reads of one's own writes, batches, conditions,
      scans, scopes, expiry, every kind of value and of name, lists and blobs, after a close and after processes that were
      killed while they wrote. So is a memory without a log, over the stores that nodes share, and several nodes at once; where
      there is no such thing the refusal is asked for.`),
    cannotSee: text('What only a power cut, a fault or a race shows: that is what the other parts are for.'),
  },
  flip: {
    does: text(`Every bit of the logs of six memories is flipped, each alone: killed, killed behind a value of zeros, killed
      behind a value with one bit in each sector, cut off within a frame, closed, killed twice. So is every bit of the small
      files of a folder and of its LevelDB store, in real processes. What is read then is right, or an error names the
      damage; and what is refused, "holdfast verify" names as well.`),
    cannotSee: text(`Damage within a table of LevelDB. LevelDB checks a table's checksums only if it is asked to, and
      classic-level does not ask. The bits are counted that hide an entry or bring back an older value of it (each value has
      a checksum of its own, so it is always one that was written), and those at which LevelDB ends the process.`),
  },
  fuzz: {
    does: text(`Logs are damaged in every way that a disk, a backup or a hand can: bits, bytes, sectors of zeros, blocks
      swapped, repeated or taken from another end of the same log, files cut short, lengthened, removed, copied. And frames
      are forged, with right checksums. The readers end with an error of ours or with records that were written, and what
      is missing without an error was itself damaged, at the very end. The codec is given values, which must come back as
      they were, and random, damaged and forged bytes.`),
    cannotSee:
      text(`Damage that leaves a log as it was at an earlier time is none to a reader; the store's mark tells it.
      Zeros over the last frames look as if they had never been written: a log that is stored once cannot decide that.`),
  },
  mutants: {
    does: text(`Bugs are planted, each in a copy of the compiled code, and the part that is meant to find it is let loose on
      the copy. One that is not found counts as broken: it would say that the part looks at the wrong things.`),
    cannotSee: text('Bugs that nobody has thought of.'),
  },
  peers: {
    does: text(`Kills and faults for other stores, used directly: every put awaited, each configured as its documentation
      says for durability. What they show is no failure of this run; it says what the same attack finds elsewhere.`),
    cannotSee: text('Configurations that their authors would choose differently.'),
  },
}

/** One line of text, however it is broken here. */
function text(lines: string): string {
  return lines.replace(/\s+/g, ' ')
}
