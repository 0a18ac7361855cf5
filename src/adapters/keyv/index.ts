/** The door `holdfast/keyv`. */
export { KeyvHoldfast, type KeyvHoldfastOptions } from './keyv-holdfast.js'
