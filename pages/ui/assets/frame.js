// What the frame does in the browser: keys that work on every page, a link that names all that is
// open, and words for menus and landmarks that Streamlit gives no place for.

const NAMES = ['dataset', 'split', 'model', 'missing']
const DOORS = 'hdtespm'
const SEQUENCE_MS = 1500
const PHONE_PX = 768
const CALM_MS = 100
const PICK_MS = 5000
const FIELD_PX = 140
// Whole keys: a part of one also met "Settings to vary" on Search.
const SEARCH = ['search', 'search_record', 'find', 'history_text']
  .map(key => `.st-key-${key} input`).concat('[class*="text_filter"] input', 'input[type="search"]').join()

let present = null
let waitsForDoor = 0
let waitsForLinks = 0
let pickedIn = null
let heldPath = null
let isToDescribe = false

export default function ({ data, parentElement }) {
  if (present === null) {
    document.addEventListener('keydown', onKey)
    for (const name of ['pointerup', 'keydown']) document.addEventListener(name, notePick, true)
    document.addEventListener('click', holdLink, true)
    document.addEventListener('click', closeMenu)
    document.addEventListener('click', event => {
      if (event.target.closest('.ts-show-keys')) present.keys.showModal()
    })
    document.addEventListener('keydown', enterPopover)
    document.addEventListener('scroll', clearField, { capture: true, passive: true })
    setTimeout(() => fetchAhead(data.ahead), CALM_MS)
    // Parts of the page are drawn after this component.
    new MutationObserver(describeSoon).observe(document.body,
      { subtree: true, childList: true, attributes: true, attributeFilter: ['href'] })
  }
  present = { data, keys: parentElement.querySelector('.ts-keys') }
  setTimeout(followLink)
  if (data.address) completeAddress(data.address)
  describeSoon()
}

// Why not from Python: every change of the link there is one more press of the Back button.
function completeAddress(wanted) {
  const link = new URL(window.location.href)
  for (const name of NAMES) {
    if (wanted[name]) link.searchParams.set(name, wanted[name])
    else link.searchParams.delete(name)
  }
  if (link.href !== window.location.href) window.history.replaceState(window.history.state, '', link)
}

// Once in each picture that the browser draws.
function describeSoon() {
  if (isToDescribe) return
  isToDescribe = true
  requestAnimationFrame(() => {
    isToDescribe = false
    describe(present.data)
    clearField()
  })
}

function describe({ tips, door, landmarks }) {
  for (const [key, words] of Object.entries(tips)) {
    for (const place of document.querySelectorAll(`.st-key-${key}`)) put(place, 'title', words)
  }
  for (const [key, words] of Object.entries(landmarks)) {
    const place = document.querySelector(`.st-key-${key}`)
    put(place, 'role', 'navigation')
    put(place, 'aria-label', words)
  }
  doorLinks().forEach((link, at) => {
    if (at === door) put(link, 'aria-current', 'page')
    else link.removeAttribute('aria-current')
    // The start page has an empty path: from another page its link would lead back to that one.
    const target = link.getAttribute('href')
    if (target.startsWith('?')) link.setAttribute('href', `./${target}`)
  })
}

// Why only what differs: who watches the page, such as a screen reader, is told of each setting.
function put(place, name, value) {
  if (place && place.getAttribute(name) !== value) place.setAttribute(name, value)
}

// ── Links after a pick in the bar ───────────────────────────────────────────────────────────────

// Until the page has run with what was picked, its links lead to what was open before: a click on
// one of them waits for that moment.
const LINKS = '.st-key-doors a, .st-key-steps a'
const MENUS = ':is(.st-key-context_bar, [class*="st-key-context_folded_"]) input[aria-expanded="true"]'

function notePick(event) {
  const menu = document.querySelector(MENUS)
  if (!menu || (event.type === 'keydown' && event.key !== 'Enter')) return
  const option = event.type === 'keydown'
    ? document.getElementById(menu.getAttribute('aria-activedescendant'))
    : event.target.closest?.('[role="option"]')
  if (option && option.getAttribute('aria-selected') !== 'true') {
    waitsForLinks = performance.now() + PICK_MS
    if (event.type === 'keydown') {
      pickedIn = menu
      menu.dataset.place = menu.closest('[class*="st-key-context_"]').className.match(/st-key-context_\w+-/)[0]
    }
  }
}

function holdLink(event) {
  const link = event.target.closest?.(LINKS), left = waitsForLinks - performance.now()
  if (!link || left < 0) return
  event.preventDefault()
  event.stopImmediatePropagation()
  heldPath = link.pathname
  setTimeout(followLink, left)
}

function followLink() {
  waitsForLinks = 0
  keepFocus()
  const links = [...document.querySelectorAll(LINKS)].filter(isShown)
  if (heldPath) links.find(link => link.pathname === heldPath)?.click()
  heldPath = null
}

// The menu of a pick is another one once the page has run. Who uses keys goes on from there.
function keepFocus(tries = 20) {
  if (!pickedIn) return
  if (document.activeElement === pickedIn && tries) {
    setTimeout(() => keepFocus(tries - 1), CALM_MS)
    return
  }
  const place = pickedIn.dataset.place
  const menu = [...document.querySelectorAll(`[class*="${place}"] input`)].find(isShown)
    ?? document.querySelector('[class*="st-key-context_fold-"] button')
  pickedIn = null
  if (document.activeElement === document.body) menu?.focus({ preventScroll: true })
}

// Without room above its field, Streamlit lays the help over it: there it goes below the field. Not
// below a tall one, which the pointer would have to cross.
function clearField() {
  for (const help of document.querySelectorAll('[data-testid="stTooltipContent"]')) {
    const asked = document.querySelector(`[aria-describedby~="${CSS.escape(help.parentElement.id)}"]`)
    const label = asked?.closest('[data-testid="stWidgetLabel"]')
    const field = label?.closest('[data-testid="stElementContainer"]')?.getBoundingClientRect()
    if (!field || field.height > FIELD_PX) continue
    help.style.translate = ''
    const own = help.getBoundingClientRect(), by = Math.ceil(field.bottom + 4 - own.top)
    const isOver = own.top < field.bottom && own.bottom > label.getBoundingClientRect().bottom
    if (isOver && own.bottom + by < innerHeight) help.style.translate = `0 ${by}px`
  }
}

// Code of what later pages show is started once the first page stands: the first chart of a visit
// would wait for it, a third of a second and more.
function fetchAhead(modules) {
  if (document.querySelector('[data-test-script-state="running"]')) {
    setTimeout(() => fetchAhead(modules), CALM_MS)
    return
  }
  for (const address of modules) import(new URL(address, document.baseURI)).catch(() => null)
}

// On a phone the menu lies over the page that it has just opened.
function closeMenu(event) {
  if (window.innerWidth > PHONE_PX || !event.target.closest('.st-key-doors a')) return
  setTimeout(() => document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click())
}

// Streamlit draws what a button of the bar opens at the end of the page, where Tab would come last.
function enterPopover(event) {
  if (event.key !== 'Tab' || event.shiftKey) return
  if (!event.target.closest?.('.st-key-context_bar [data-testid="stPopoverButton"][aria-expanded="true"]')) return
  const first = document.querySelector('[data-testid="stPopoverBody"] :is(input, a, button:not(:disabled))')
  if (!first) return
  event.preventDefault()
  first.focus()
}

const doorLinks = () => [...document.querySelectorAll('.st-key-doors a')]

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
  if (event.key === 'Escape' && event.target.matches(SEARCH)) event.target.blur()
  if (isTyping(event.composedPath()[0]) || (isModalOpen() && !isOverViewer(event))) return
  const follows = performance.now() < waitsForDoor
  waitsForDoor = 0
  if (follows && DOORS.includes(event.key)) doorLinks()[DOORS.indexOf(event.key)]?.click()
  else if (event.key === 'g') waitsForDoor = performance.now() + SEQUENCE_MS
  else if (event.key === '/') search()
  else if (event.key === '?') present.keys.showModal()
  else if (event.key === '[' || event.key === ']') turn(event.key === ']' ? 1 : -1)
  else return
  event.preventDefault()
  event.stopPropagation()
}

const isShown = place => place.offsetParent !== null

function isTyping(place) {
  return place.matches?.('input, textarea, select, [contenteditable="true"], [role="textbox"]')
}

// The image dialog has keys of its own; the list of them all opens over it.
const isOverViewer = event => event.key === '?' && document.querySelector('dialog.viewer[open]')
  && !present.keys.open

function isModalOpen() {
  return document.querySelector('dialog[open], [role="dialog"][aria-modal="true"], [data-testid="stDialog"]')
}

function search() {
  const boxes = [...document.querySelectorAll(SEARCH)].filter(isShown)
  const box = boxes[0] ?? document.querySelector('[class*="st-key-context_dataset-"] input')
  box?.focus()
  box?.select()
}

// The steps beside the heading of the page. Streamlit draws links with a tooltip twice, one hidden.
function turn(by) {
  const steps = [...document.querySelectorAll('.st-key-steps :is(h1, a)')].filter(isShown)
  const at = steps.findIndex(step => step.tagName === 'H1')
  const next = steps[at + by]
  if (next?.tagName === 'A') next.click()
}
