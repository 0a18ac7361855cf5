/** Readers of numbers on the command line, shared by the parts. */
import { InvalidArgumentError } from 'commander'

export function numberOption(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0 && text !== '') return value
  throw new InvalidArgumentError('Give a whole number.')
}

/** Numbers with commas between them; `none` for none of them. */
export function listOption(text: string): number[] {
  return text === 'none' ? [] : text.split(',').map(numberOption)
}
