// Node's fast paths between binary strings and bytes. They are what `toString('latin1')` and `write(…, 'latin1')` call
// in the end, without looking up the encoding each time: twice as fast for the short strings that keys are.
interface Buffer {
  latin1Slice(start?: number, end?: number): string
  latin1Write(text: string, offset?: number, length?: number): number
}
