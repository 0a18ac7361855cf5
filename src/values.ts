/**
 * Values between the caller and the engine: objects here, binary strings there.
 *
 * Written, a value is validated, encoded and compressed; its form says by what. Read, it is decompressed and decoded as
 * its form says, whatever the map writes now, and brought up to date if its version is an older one.
 */
import { decodeValue, encodeValue } from './codec/codec.js'
import { type CompressionTally, compress, decompress } from './codec/compression.js'
import { NEVER } from './codec/extras.js'
import {
  CODEC,
  COMPRESSION,
  codecOf,
  compressionOf,
  formOf,
  PLAIN_FORM,
  schemaVersionOf,
  USER_CODEC_MIN,
} from './codec/form.js'
import { decodeJson, encodeJson } from './codec/json.js'
import { decodeText, encodeText } from './codec/text.js'
import { decodeByUser, encodeByUser } from './codec/user-codec.js'
import { AgentMemoryError, WrongCallError } from './core/errors.js'
import type { EncodedWrite } from './engine/flush.js'
import { validate } from './standard-schema.js'
import type { ValueConfig } from './value-options.js'

/** An encoded value and how it is to be read. */
interface Encoded {
  form: number
  value: string
}

// Decoding reads from this buffer. It stays, since msgpackr makes a view of every buffer that it reads from.
let scratch = Buffer.allocUnsafeSlow(64 * 1024)
const SCRATCH_KEPT_BYTES = 1 << 20

/** A write of a value, and no delete. */
export type EncodedValue = EncodedWrite & { value: string }

/** How one map's values are written and read. */
export class Values {
  readonly #mapName: string
  readonly #config: ValueConfig
  readonly #tally: CompressionTally
  /** Of what is written, compressed or not. */
  readonly #form: number
  readonly #compressedForm: number
  /** Of what is read by the default codec alone: nearly every value of nearly every map. */
  readonly #plainForm: number
  readonly #isPlain: boolean

  constructor(mapName: string, config: ValueConfig, tally: CompressionTally) {
    const { codec, compression, version } = config
    this.#mapName = mapName
    this.#config = config
    this.#tally = tally
    this.#form = formOf(codec, COMPRESSION.none, version)
    this.#compressedForm = formOf(codec, COMPRESSION[compression?.algorithm ?? 'none'], version)
    this.#plainForm = formOf(CODEC.messagePack, COMPRESSION.none, version)
    this.#isPlain = codec === CODEC.messagePack && compression === undefined
  }

  /** Encodes a value that expires at a moment, or never. What is done to the object afterwards changes nothing in the memory. */
  encode(value: unknown, limitBytes: number, expiresAt = NEVER): EncodedValue {
    return this.encodeValidated(this.validated(value), limitBytes, expiresAt)
  }

  /** What the map's schema makes of a value. */
  validated(value: unknown): unknown {
    const { schema } = this.#config
    return schema === undefined ? value : validate(schema, value, this.#mapName)
  }

  /** The same as `encode` for what `validated` has given. */
  encodeValidated(value: unknown, limitBytes: number, expiresAt: number): EncodedValue {
    if (this.#isPlain) return encode(value, limitBytes, expiresAt, this.#form)
    const bytes = this.#encodeBytes(value, limitBytes)
    const { compression } = this.#config
    const compressed = compression && compress(bytes, compression, this.#tally)
    if (compressed === undefined) return { form: this.#form, value: binaryString(bytes), expiresAt }
    return { form: this.#compressedForm, value: binaryString(compressed), expiresAt }
  }

  /** Decodes a value into a fresh object, which the caller may change. */
  decode(encoded: Encoded): unknown {
    return encoded.form === this.#plainForm ? decode(encoded) : this.#decode(encoded)
  }

  #decode({ form, value }: Encoded): unknown {
    const version = schemaVersionOf(form)
    const isOfAnother = version !== this.#config.version
    if (isOfAnother) this.#checkVersion(version)
    const compression = compressionOf(form)
    const stored = Buffer.from(value, 'latin1')
    const bytes = compression === COMPRESSION.none ? stored : decompress(compression, stored)
    const decoded = this.#decodeBytes(bytes, codecOf(form))
    return isOfAnother ? this.#upgraded(decoded, version) : decoded
  }

  #encodeBytes(value: unknown, limitBytes: number): Buffer {
    const { codec, userCodecs } = this.#config
    if (codec === CODEC.messagePack) return encodeValue(value, limitBytes)
    return codec === CODEC.json
      ? encodeJson(value, limitBytes)
      : encodeByUser(userCodecs.get(codec)!, value, limitBytes)
  }

  #decodeBytes(bytes: Buffer, codec: number): unknown {
    if (codec === CODEC.messagePack) return decodeValue(bytes, 0, bytes.length)
    if (codec === CODEC.json) return decodeJson(bytes)
    const userCodec = this.#config.userCodecs.get(codec)
    if (userCodec === undefined) throw this.#missingCodec(codec)
    return decodeByUser(userCodec, bytes)
  }

  #upgraded(value: unknown, version: number): unknown {
    const upgraded = this.#config.upgrade!(value, version)
    if (upgraded !== undefined && !(upgraded instanceof Promise)) return upgraded
    upgraded?.catch(() => {})
    throw new WrongCallError('INVALID_OPTION', {
      message: `upgrade of the map "${this.#mapName}" has returned ${upgraded === undefined ? 'undefined' : 'a promise'}`,
      next: 'It must return the value in its present shape, synchronously',
    })
  }

  #checkVersion(version: number): void {
    const { version: own, upgrade } = this.#config
    if (version < own && upgrade !== undefined) return
    const what = `A value is of version ${version}, and the map "${this.#mapName}" `
    if (version < own) {
      throw new AgentMemoryError('SCHEMA_MISMATCH', {
        message: `${what}is at version ${own}, without a way to bring it there`,
        next: 'Give the map upgrade(value, version), which makes the present shape of it; nothing is lost',
      })
    }
    throw new AgentMemoryError('SCHEMA_MISMATCH', {
      message: `${what}${own === 0 ? 'has none' : `is at version ${own}`}: a newer program has written it`,
      next: 'Read it with that newer program; nothing is lost',
    })
  }

  #missingCodec(codec: number): AgentMemoryError {
    const what = `A value of the map "${this.#mapName}" was written by the codec ${codec}`
    if (codec < USER_CODEC_MIN) {
      return new AgentMemoryError('FORMAT_TOO_NEW', {
        message: `${what}, which this version does not know`,
        next: 'Open the memory with the newer version of Holdfast that wrote it',
      })
    }
    return new AgentMemoryError('CODEC_MISSING', {
      message: `${what}, which the map was not given`,
      next: `Give it to the map behind the one that writes: { codec: [present, the one with the id ${codec}] }`,
    })
  }
}

/** Encodes a value as a map without options does. */
export function encode(value: unknown, limitBytes: number, expiresAt = NEVER, form = PLAIN_FORM): EncodedValue {
  const text = typeof value === 'string' ? encodeText(value) : undefined
  if (text !== undefined && text.length <= limitBytes) return { form, value: text, expiresAt }
  return { form, value: binaryString(encodeValue(value, limitBytes)), expiresAt }
}

/** Decodes what `encode` has made. */
export function decode({ value }: { value: string }): unknown {
  const text = decodeText(value)
  if (text !== undefined) return text
  const buffer = value.length <= scratch.length ? scratch : Buffer.allocUnsafeSlow(value.length)
  if (buffer !== scratch && buffer.length <= SCRATCH_KEPT_BYTES) scratch = buffer
  buffer.latin1Write(value, 0)
  return decodeValue(buffer, 0, value.length)
}

function binaryString(bytes: Buffer): string {
  return bytes.latin1Slice(0, bytes.length)
}
