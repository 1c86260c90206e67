// ccxt for JavaScript: key info, server time, status and balance. Sends the headers of the given
// partner, or of ccxt's own partner if none is given.
import ccxt from "ccxt";

export async function run({ url, apiKey, secret, passphrase, partner, partnerKey }) {
  const exchange = new ccxt.kucoin({ apiKey, secret, password: passphrase });
  for (const name of Object.keys(exchange.urls.api)) exchange.urls.api[name] = url;
  if (partner) exchange.options.partner.spot = { id: partner, key: partnerKey };
  const info = await exchange.privateGetUserApiKey();
  const status = await exchange.fetchStatus();
  const balance = await exchange.fetchBalance();
  return {
    key: status.status === "ok" ? info.data.apiKey : "",
    time: await exchange.fetchTime(),
    balance: String(balance.total.USDT),
  };
}
