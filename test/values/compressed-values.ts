/** Values that compress well, of which each is told from the others. */
import type { CompressionName, MapOptions, SchemaOptions } from '../../src/index.js'

export interface Step {
  number: number
  text: string
  at: Date
}

export const OPTIONS: MapOptions & SchemaOptions<Step> = { compression: 'gzip', version: 3 }

export function optionsOf(algorithm: CompressionName): MapOptions & SchemaOptions<Step> {
  return { compression: algorithm, version: 3 }
}

export function stepOf(number: number): Step {
  return { number, text: `step ${number} of the run. `.repeat(100), at: new Date(number) }
}
