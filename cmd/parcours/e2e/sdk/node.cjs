// Sends one shopper's events with the stock @segment/analytics-node.
// Usage: SDK=<folder with node_modules> node node.cjs HOST WRITE_KEY PREFIX
const { createRequire } = require('node:module')
const { Analytics } = createRequire(`${process.env.SDK}/package.json`)('@segment/analytics-node')

const [host, writeKey, prefix] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host, path: '/v1/batch', flushAt: 2, maxRetries: 2 })
let failed = false
analytics.on('error', (error) => {
  failed = true
  console.error('analytics-node:', error.code, error.reason)
})

const anonymousId = `${prefix}-anonymous`
const userId = `${prefix}-user`
analytics.page({ anonymousId, name: 'Accueil', messageId: `${prefix}-page`, properties: { url: 'https://www.example.fr/', path: '/', title: 'Accueil', hero: 'hiver' } })
analytics.track({ anonymousId, event: 'Product Viewed', messageId: `${prefix}-view`, properties: { product_id: 'p-1', sku: 'sku-1', name: 'Pull marin', price: 49.9, currency: 'EUR', size: 'M' } })
analytics.identify({ anonymousId, userId, messageId: `${prefix}-identify`, traits: { email: `${prefix}@example.fr`, firstName: 'Maëlle', lastName: 'Le Goff', loyalty_tier: 'or' } })
analytics.track({
  userId,
  event: 'Order Completed',
  messageId: `${prefix}-order`,
  properties: {
    order_id: `${prefix}-order-1`,
    total: '104.70',
    revenue: 99.8,
    shipping: 4.9,
    currency: 'EUR',
    coupon: 'BIENVENUE',
    products: [
      { product_id: 'p-1', sku: 'sku-1', name: 'Pull marin', price: 49.9, quantity: 1, category: 'Mailles' },
      { product_id: 'p-2', sku: 'sku-2', name: 'Bonnet', price: '24.95', quantity: 2, category: 'Accessoires' }
    ]
  }
})
analytics.closeAndFlush({ timeout: 20000 }).then(() => process.exit(failed ? 1 : 0))
