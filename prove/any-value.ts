/** Values of every kind, for tests of the codec. */
import fc from 'fast-check'

/** Strings with halves of surrogate pairs, NULs and byte order marks. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 90 }).map(units => String.fromCharCode(...units)),
  fc
    .array(fc.constantFrom(0x61, 0xe9, 0xfeff, 0xd83d, 0xdc69, 0x65e5, 0), { maxLength: 80 })
    .map(units => String.fromCharCode(...units)),
)
/** Keys of objects, among them those that programs trip over. */
export const anyKey = fc.oneof(
  text,
  fc.constantFrom('__proto__', '!', '__proto_', 'constructor', 'toJSON', '0', '10', 'length', 'then'),
)
/** Any value that the codec keeps. */
export const anyValue = fc.anything({
  key: anyKey,
  values: [
    text,
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.bigInt(),
    fc.constantFrom(null, undefined, -0, Number.NaN),
    fc.date({ noInvalidDate: true }),
  ],
  withBigInt: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withTypedArray: true,
  maxDepth: 4,
})
