// A square picture on which a person draws one rectangle: by mouse, pen or finger, or by arrow keys.
// All places are left, top, right and bottom in percent of the square.

const SMALLEST = 2  // percent of a side; a shorter drag was a click
const CORNER_PX = { mouse: 9, pen: 14, touch: 22 }
const STEP = 2
const REPORT_MS = 350  // after the last key

const fields = new WeakMap()

export default function ({ data, parentElement, setTriggerValue }) {
  const field = parentElement.querySelector('.ts-region')
  if (!fields.has(field)) fields.set(field, createField(field))
  fields.get(field)(data, setTriggerValue)
}

function createField(field) {
  const part = name => field.querySelector('.' + name)
  const box = part('box')
  let region = null  // as it is shown
  let drag = null  // the pointer, what it does to the region, and the region before it
  let send = null, waiting = 0

  function show(next) {
    region = next
    box.hidden = !region
    if (!region) return
    const [left, top, right, bottom] = region
    Object.assign(box.style, { left: left + '%', top: top + '%', width: right - left + '%',
      height: bottom - top + '%' })
  }

  function report() {
    clearTimeout(waiting)
    waiting = 0
    if (region) show(whole(region))
    part('said').textContent = region ? words(region) : 'No region'
    send('drawn', region ?? [])
  }

  const place = event => {
    const { left, top, width, height } = field.getBoundingClientRect()
    return [100 * (event.clientX - left) / width, 100 * (event.clientY - top) / height].map(held)
  }

  // What a press at this place begins: a corner that moves, the whole region, or a new one.
  function grip(event, [x, y]) {
    if (!region) return [x, y]
    const near = 100 * (CORNER_PX[event.pointerType] ?? CORNER_PX.mouse) / field.clientWidth
    for (const [across, down] of [[0, 1], [2, 1], [0, 3], [2, 3]]) {
      const isNear = Math.hypot(region[across] - x, region[down] - y) < near
      if (isNear) return [region[2 - across], region[4 - down]]
    }
    const [left, top, right, bottom] = region
    return x > left && x < right && y > top && y < bottom ? null : [x, y]
  }

  field.addEventListener('pointerdown', event => {
    if (event.button || drag) return
    const start = place(event)
    drag = { id: event.pointerId, start, fixed: grip(event, start), before: region }
    field.setPointerCapture(event.pointerId)
  })
  field.addEventListener('pointermove', event => {
    if (event.pointerId !== drag?.id) return
    const [x, y] = place(event), { start, fixed, before } = drag
    if (!fixed) return show(moved(before, x - start[0], y - start[1]))
    const drawn = [Math.min(x, fixed[0]), Math.min(y, fixed[1]), Math.max(x, fixed[0]),
      Math.max(y, fixed[1])]
    show(isRegion(drawn) ? drawn : before)
  })
  field.addEventListener('pointerup', event => {
    if (event.pointerId !== drag?.id) return
    const isOther = region !== drag.before
    drag = null
    if (isOther) report()
  })
  const giveUp = () => {
    if (!drag) return
    show(drag.before)
    drag = null
  }
  field.addEventListener('pointercancel', giveUp)

  field.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const isArrow = event.key.startsWith('Arrow')
    if (!isArrow && !['Escape', 'Delete', 'Backspace'].includes(event.key)) return
    event.preventDefault()
    event.stopPropagation()  // the page's own keys mean something else
    if (event.key === 'Escape' && drag) return giveUp()
    if (!isArrow) {
      show(null)
      return report()
    }
    const x = STEP * ((event.key === 'ArrowRight') - (event.key === 'ArrowLeft'))
    const y = STEP * ((event.key === 'ArrowDown') - (event.key === 'ArrowUp'))
    if (!region) show([25, 25, 75, 75])
    else if (!event.shiftKey) show(moved(region, x, y))
    else show(grown(region, x, y))
    clearTimeout(waiting)
    waiting = setTimeout(report, REPORT_MS)
  })

  return (data, setTriggerValue) => {
    send = setTriggerValue
    field.setAttribute('aria-label', data.label)
    const picture = part('picture'), layer = part('layer')
    if (picture.getAttribute('src') !== data.picture) picture.src = data.picture
    const names = ['left', 'top', 'width', 'height']
    names.forEach((name, i) => { picture.style[name] = data.place[i] + '%' })
    picture.style.clipPath = `inset(${data.seen.map(cut => cut + '%').join(' ')})`
    layer.hidden = !data.layer
    if (data.layer && layer.getAttribute('src') !== data.layer) layer.src = data.layer
    if (!drag && !waiting) show(data.region)
  }
}

const held = value => Math.min(100, Math.max(0, value))
const isRegion = ([left, top, right, bottom]) =>
  right - left >= SMALLEST && bottom - top >= SMALLEST
const words = ([left, top, right, bottom]) =>
  `Left ${left}%, top ${top}%, right ${right}%, bottom ${bottom}%`

// In whole percent, at least one wide and high.
function whole([left, top, right, bottom]) {
  const x = Math.min(99, Math.round(left)), y = Math.min(99, Math.round(top))
  return [x, y, Math.max(x + 1, Math.round(right)), Math.max(y + 1, Math.round(bottom))]
}

function moved([left, top, right, bottom], x, y) {
  const across = Math.min(100 - right, Math.max(-left, x))
  const down = Math.min(100 - bottom, Math.max(-top, y))
  return [left + across, top + down, right + across, bottom + down]
}

function grown([left, top, right, bottom], x, y) {
  return [left, top, Math.max(left + 1, held(right + x)), Math.max(top + 1, held(bottom + y))]
}
