/** All planted bugs by their name. */
import { BLOB_MUTANTS } from './blob-mutants.js'
import { BORDER_MUTANTS } from './border-mutants.js'
import { DEAD_LETTER_MUTANTS } from './dead-letter-mutants.js'
import { DIRECT_MUTANTS } from './direct-mutants.js'
import { ENGINE_MUTANTS } from './engine-mutants.js'
import { FILES_MUTANTS } from './files-mutants.js'
import { LOG_MUTANTS } from './log-mutants.js'
import type { Mutants } from './mutant.js'
import { POSTGRES_MUTANTS } from './postgres-mutants.js'
import { SHAPE_MUTANTS } from './shape-mutants.js'
import { SQLITE_MUTANTS } from './sqlite-mutants.js'

export const MUTANTS: Mutants = {
  ...LOG_MUTANTS,
  ...ENGINE_MUTANTS,
  ...BORDER_MUTANTS,
  ...SHAPE_MUTANTS,
  ...BLOB_MUTANTS,
  ...FILES_MUTANTS,
  ...SQLITE_MUTANTS,
  ...POSTGRES_MUTANTS,
  ...DEAD_LETTER_MUTANTS,
  ...DIRECT_MUTANTS,
}
