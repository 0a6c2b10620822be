// Tells the page, once in each visit, that the browser has drawn it.

const CALM_MS = 300

let isAsked = false

export default function ({ setTriggerValue }) {
  if (isAsked) return
  isAsked = true
  setTimeout(() => setTriggerValue('rests', true), CALM_MS)
}
