// Opens a page with the stock @segment/analytics-next in headless Chromium and waits until it says that all is sent.
// Usage: SDK=<folder with node_modules> CHROMIUM=<program> node browser.mjs PAGE_URL
import { createRequire } from 'node:module'

const { chromium } = createRequire(`${process.env.SDK}/package.json`)('playwright-core')
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'
  ]
})
try {
  const page = await browser.newPage()
  page.on('console', (message) => console.error('page:', message.text()))
  page.on('requestfailed', (request) => console.error('failed:', request.method(), request.url(), request.failure()?.errorText))
  page.on('request', (request) => console.error('request:', request.method(), request.url()))
  await page.goto(process.argv[2])
  await page.waitForFunction(() => window.done !== undefined, undefined, { timeout: 45000 })
  const done = await page.evaluate(() => window.done)
  if (done !== 'sent') {
    throw new Error(done)
  }
} finally {
  await browser.close()
}
