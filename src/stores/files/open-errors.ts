/** What may be wrong with a files store as a whole, for who opens it and for who only looks at it. */
import { AgentMemoryError } from '../../core/errors.js'
import { fileError } from './entry-files.js'
import { STATE_FILE } from './files.js'
import type { Ending } from './value-file.js'

export function lost(folder: string): AgentMemoryError {
  return new AgentMemoryError('STORE_LOST', {
    message: `There is no files store in ${folder}`,
    next: 'Put its files back, or let the memory build a new store from a whole log',
  })
}

export function stateGone(folder: string): AgentMemoryError {
  return new AgentMemoryError('STORE_CORRUPT', {
    message: `${folder} holds entries of a store, but not its file ${STATE_FILE}`,
    next: `Put ${STATE_FILE} back from a backup, or move the folder away to start with an empty store`,
  })
}

export function otherJournal(path: string): AgentMemoryError {
  return new AgentMemoryError('STORE_CORRUPT', {
    message: `${path} is of another time than ${STATE_FILE}: they are from different copies of the store`,
    next: 'Put the whole folder back from one backup',
  })
}

export function otherFiles(folder: string, expected: number, found: number): AgentMemoryError {
  const what = expected === found ? 'not the files that it had' : `${found} files and not ${expected}`
  return new AgentMemoryError('STORE_CORRUPT', {
    message: `The store in ${folder} has ${what}: some were removed, renamed or put there`,
    next: "Put the folder back from a backup; or, if that was meant, open once with { store: { kind: 'files', adoptEdits: true } }",
  })
}

/** `path`: of one of them. */
export function twoFiles(path: string, otherEnding: Ending): AgentMemoryError {
  return fileError(path, `and one that ends in .${otherEnding} are of one key`)
}
