/** What a program asked of a store and was told, put by put, and whether what is found later agrees with it. */

type Answer = 'none' | 'resolved' | 'rejected'

interface Put {
  number: number
  answer: Answer
}

export interface FoundVerdict {
  /** Acknowledged puts that are gone: neither they nor a later put of their key is there. */
  lost: string[]
  /** Values that nobody has put, or that are not whole. */
  wrong: string[]
  /** Numbers of puts that were rejected, and are there. */
  rejectedButThere: number[]
}

export class PutHistory {
  /** The puts of each key, in order. A key has one writer, which awaits each of its puts. */
  readonly #puts = new Map<string, Put[]>()
  readonly #byNumber = new Map<number, Put>()
  acknowledged = 0

  put(key: string, number: number): void {
    const put: Put = { number, answer: 'none' }
    const puts = this.#puts.get(key)
    if (puts === undefined) this.#puts.set(key, [put])
    else puts.push(put)
    this.#byNumber.set(number, put)
  }

  resolved(number: number): void {
    this.#byNumber.get(number)!.answer = 'resolved'
    this.acknowledged += 1
  }

  rejected(number: number): void {
    this.#byNumber.get(number)!.answer = 'rejected'
  }

  judge(found: readonly [key: string, number: number][]): FoundVerdict {
    const verdict: FoundVerdict = { lost: [], wrong: [], rejectedButThere: [] }
    const content = new Map(found)
    for (const [key, number] of content) {
      if (this.#puts.get(key)?.some(put => put.number === number)) continue
      verdict.wrong.push(`${key} is ${number}`)
    }
    for (const [key, puts] of this.#puts) {
      const number = content.get(key)
      const index = puts.findIndex(put => put.number === number)
      if (index >= 0 && puts[index]!.answer === 'rejected') verdict.rejectedButThere.push(number!)
      const gone = puts.slice(index + 1).filter(put => put.answer === 'resolved')
      for (const put of gone) verdict.lost.push(`${key} = ${put.number} (found: ${number ?? 'nothing'})`)
    }
    return verdict
  }

  /** Goes on from what was found: who has seen it may rely on it ever after. */
  rebase(found: readonly [key: string, number: number][]): void {
    this.#puts.clear()
    this.#byNumber.clear()
    for (const [key, number] of found) this.#puts.set(key, [{ number, answer: 'resolved' }])
  }
}
