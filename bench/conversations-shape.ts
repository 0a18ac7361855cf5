/** What the processes of the case share. */
import { valuesOf } from './workload.js'

export interface ConversationsTask {
  folder: string
  lengths: number[]
  /** In each of them every length has its turn. */
  slices: number
  seed: number
  input: string | undefined
}

export interface Message {
  role: string
  content: string
}

export function conversationOf(length: number): string {
  return `of-${String(length).padStart(8, '0')}`
}

export function messagesOf(seed: number, input: string | undefined): Message[] {
  return valuesOf(seed, input).map(content => ({ role: 'user', content }))
}
