// Sends one ZIP file to the server as a stream, with progress; Streamlit's own uploader holds whole
// files in memory.

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.ts-upload')
  const input = root.querySelector('input'), text = root.querySelector('.text')
  const bar = root.querySelector('progress'), cancel = root.querySelector('.cancel')
  let request = null

  const say = message => { text.textContent = message }
  const finish = message => {
    bar.hidden = cancel.hidden = true
    request = null
    say(message)
  }

  function send(file) {
    if (!file || request) return
    const problem = problemOf(file, data)
    if (problem) return say(problem)
    const started = performance.now()
    request = new XMLHttpRequest()
    request.open('POST', data.url)
    request.setRequestHeader(data.header, '1')
    request.upload.onprogress = event => {
      bar.hidden = cancel.hidden = false
      bar.value = event.loaded / event.total
      say(progressOf(file, event, performance.now() - started))
    }
    request.onload = () => receive(file, request)
    request.onerror = () => finish('The connection was lost; nothing was stored. Try again.')
    request.onabort = () => finish('Canceled; nothing was stored.')
    request.send(file)
  }

  function receive(file, { status, responseText }) {
    const answer = parsed(responseText)
    if (status !== 200) {
      return finish(answer.error ?? `The server refused the upload (status ${status}).`)
    }
    finish(`${file.name} was uploaded.`)
    setTriggerValue('uploaded', { upload: answer.upload, name: file.name })
  }

  root.onclick = event => {
    if (event.target === cancel) return request?.abort()
    if (event.target === input || request) return
    input.value = ''
    input.click()
  }
  input.onchange = () => send(input.files[0])
  root.ondragover = event => {
    event.preventDefault()
    root.dataset.over = '1'
  }
  root.ondragleave = () => { delete root.dataset.over }
  root.ondrop = event => {
    event.preventDefault()
    delete root.dataset.over
    send(event.dataTransfer.files[0])
  }
}

function problemOf(file, { limit, advice }) {
  if (!file.name.toLowerCase().endsWith('.zip')) return 'Please choose a .zip file.'
  if (file.size <= limit) return ''
  return `The ZIP file is larger than ${limit / 1e9} GB, which is the limit for browsers. ${advice}`
}

function progressOf(file, { loaded, total }, elapsedMs) {
  const megabytes = bytes => (bytes / 1e6).toFixed(0)
  const secondsLeft = elapsedMs / 1000 / loaded * (total - loaded)
  return `${file.name}: ${megabytes(loaded)} of ${megabytes(total)} MB, ` +
    `${secondsLeft.toFixed(0)} s left`
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
