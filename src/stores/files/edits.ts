/** What people have changed by hand, as changes of an apply. */
import type { EncodedKey } from '../../core/key.js'
import type { Lsn } from '../../core/lsn.js'
import type { Change } from '../data-store.js'
import { forEach } from './durable-file.js'
import { type EntryFiles, fileError } from './entry-files.js'
import type { Ending } from './value-file.js'

/**
 * Reads every file. One whose checksum does not fit is a new value of its key, of this LSN, if it can be read as one.
 *
 * @throws AgentMemoryError STORE_CORRUPT for a file that cannot, and for one that holds bytes: nobody edits those by hand
 */
export async function editsIn(
  files: EntryFiles,
  endings: ReadonlyMap<EncodedKey, Ending>,
  lsn: Lsn,
): Promise<Change[]> {
  const edits = await forEach([...endings], async ([key, ending]): Promise<Change | undefined> => {
    const { isWhole } = await files.look(key, ending)
    if (isWhole) return undefined
    if (ending !== 'json') throw fileError(files.pathOf(key, ending), 'fails its checksum, and holds bytes')
    return { key, value: (await files.look(key, ending, lsn)).value }
  })
  return edits.filter(edit => edit !== undefined).sort((a, b) => (a.key < b.key ? -1 : 1))
}
