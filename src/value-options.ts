/** The options of a map that say how its values are checked, encoded, compressed and brought up to date. */

import { type CompressionConfig, type CompressionName, levelsOf, VALUE_BYTES_LIMIT } from './codec/compression.js'
import { CODEC, CODEC_MAX, SCHEMA_VERSION_MAX, USER_CODEC_MIN } from './codec/form.js'
import type { Codec } from './codec/user-codec.js'
import { WrongCallError } from './core/errors.js'
import { badOption, checkObject, integer } from './option-checks.js'
import type { StandardSchema } from './standard-schema.js'

/** Built in: `lossless` keeps every kind of data, `json` is plain JSON text and refuses what JSON would change. */
export type CodecName = 'lossless' | 'json'

/** How a map's values are compressed. */
export interface CompressionOptions {
  /** `zstd` needs Node.js 22.15 or newer. */
  algorithm: CompressionName
  /** A value of fewer encoded bytes is left as it is. @defaultValue 1,024 */
  thresholdBytes?: number
  /** 1 to 9 for gzip, 0 to 11 for brotli, 1 to 22 for zstd. @defaultValue 6 for gzip, 5 for brotli, 3 for zstd */
  level?: number
}

/** How a map's values become bytes. What is stored tells how it is to be read, so either may change. */
export interface ValueOptions {
  /**
   * How values become bytes. In a list the first one writes; the others read what was written by them before. The ones
   * built in read always.
   *
   * @defaultValue 'lossless'
   * @see docs/values.md, "Codecs"
   */
  codec?: CodecName | Codec | readonly (CodecName | Codec)[]
  /**
   * Values that are large enough are compressed, and stay so where that saves bytes. Synchronous: `set` takes longer.
   *
   * @defaultValue none
   * @see docs/values.md, "Compression"
   */
  compression?: CompressionName | CompressionOptions
}

/** Of what shape a map's values are. `V` is what the map gives, `In` what it takes. */
export interface SchemaOptions<V = unknown, In = V> {
  /**
   * A validator of any library that speaks Standard Schema. Each value is checked when it is written, and what the
   * schema makes of it is stored; what is read is not checked again.
   *
   * @see docs/values.md, "Validators"
   */
  schema?: StandardSchema<In, V>
  /**
   * Version of the shape that the program gives its values, from 1 on; it is kept with each.
   *
   * @defaultValue none, which is older than 1
   * @see docs/values.md, "Upgrades"
   */
  version?: number
  /** Makes a value of an older version one of `version`, when it is read; 0 is one without a version. Synchronous. */
  upgrade?(value: unknown, version: number): V
}

export interface ValueConfig {
  /** Id of the codec that writes. */
  codec: number
  /** The caller's codecs by their ids. */
  userCodecs: ReadonlyMap<number, Codec>
  compression: CompressionConfig | undefined
  schema: StandardSchema | undefined
  version: number
  upgrade: ((value: unknown, version: number) => unknown) | undefined
}

export const VALUE_OPTIONS = ['codec', 'compression', 'schema', 'version', 'upgrade']

const BUILT_IN: Record<CodecName, number> = { lossless: CODEC.messagePack, json: CODEC.json }
const THRESHOLD_BYTES = 1024

export function parseValueOptions(options: ValueOptions & SchemaOptions): ValueConfig {
  const { schema, upgrade } = options
  if (schema !== undefined) checkSchema(schema)
  if (upgrade !== undefined && typeof upgrade !== 'function') throw badOption('upgrade', upgrade, 'a function')
  if (upgrade !== undefined && options.version === undefined) {
    throw badOption('version', undefined, 'the version of the values that `upgrade` makes, from 1 on')
  }
  return {
    ...parseCodecs(options.codec === undefined ? 'lossless' : options.codec),
    compression: options.compression === undefined ? undefined : parseCompression(options.compression),
    schema,
    version: integer(options.version, 'version', 0, 1, SCHEMA_VERSION_MAX),
    upgrade,
  }
}

/**
 * What two handles of one map must agree on. Functions are not compared: a module that is loaded again brings others
 * that mean the same, and each handle uses the ones that it was given.
 */
export function valueFingerprint({ codec, userCodecs, compression, schema, version, upgrade }: ValueConfig): unknown {
  const codecs = Array.from(userCodecs.values(), ({ id, name }) => [id, name])
  return [codec, codecs, compression, schema?.['~standard'].vendor, version, upgrade !== undefined]
}

function parseCodecs(choice: unknown): Pick<ValueConfig, 'codec' | 'userCodecs'> {
  const choices: unknown[] = Array.isArray(choice) ? choice : [choice]
  const userCodecs = new Map<number, Codec>()
  const ids = choices.map(each => {
    if (each === 'lossless' || each === 'json') return BUILT_IN[each]
    if (!isCodec(each))
      throw badOption('codec', each, "'lossless', 'json', a codec { id, name, encode, decode }, or a list")
    if (!(Number.isInteger(each.id) && each.id >= USER_CODEC_MIN && each.id <= CODEC_MAX)) {
      throw badOption('codec.id', each.id, `a whole number from ${USER_CODEC_MIN} to ${CODEC_MAX}`)
    }
    if (userCodecs.has(each.id)) throw badOption('codec.id', each.id, 'codecs whose ids differ')
    userCodecs.set(each.id, each)
    return each.id
  })
  if (ids[0] === undefined) throw badOption('codec', 'an empty list', 'one codec at least')
  return { codec: ids[0], userCodecs }
}

function isCodec(choice: unknown): choice is Codec {
  if (typeof choice !== 'object' || choice === null) return false
  const { name, encode, decode } = choice as Partial<Codec>
  return typeof name === 'string' && name !== '' && typeof encode === 'function' && typeof decode === 'function'
}

function parseCompression(choice: CompressionName | CompressionOptions): CompressionConfig {
  const options = typeof choice === 'string' ? { algorithm: choice } : choice
  checkObject(options, 'compression', ['algorithm', 'thresholdBytes', 'level'])
  const { algorithm } = options
  if (algorithm !== 'gzip' && algorithm !== 'brotli' && algorithm !== 'zstd') {
    throw badOption('compression', algorithm, "'gzip', 'brotli' or 'zstd'")
  }
  const levels = levelsOf(algorithm)
  if (levels === undefined) {
    throw new WrongCallError('INVALID_OPTION', {
      message: `The option "compression" is "${algorithm}", which this Node.js (${process.version}) does not have`,
      next: "Give 'gzip' or 'brotli', or use Node.js 22.15 or newer",
    })
  }
  return {
    algorithm,
    thresholdBytes: integer(options.thresholdBytes, 'thresholdBytes', THRESHOLD_BYTES, 0, VALUE_BYTES_LIMIT),
    level: integer(options.level, 'level', levels.byDefault, levels.min, levels.max),
  }
}

function checkSchema(schema: unknown): void {
  const isObject = (typeof schema === 'object' && schema !== null) || typeof schema === 'function'
  const standard = isObject ? (schema as Partial<StandardSchema>)['~standard'] : undefined
  if (standard?.version === 1 && typeof standard.validate === 'function') return
  throw badOption('schema', schema, 'a validator that speaks Standard Schema, version 1: of Zod, Valibot, ArkType …')
}
