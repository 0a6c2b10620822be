// What the frame does in the browser: the link is completed in place, and menus get their tooltips.

const NAMES = ['dataset', 'split', 'model']

export default function ({ data }) {
  if (data.address) completeAddress(data.address)
  showTips(data.tips)
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

function showTips(tips) {
  for (const [key, words] of Object.entries(tips)) {
    for (const place of document.querySelectorAll(`.st-key-${key}`)) place.title = words
  }
}
