// KuCoin's older SDK for Node: asks for the account summary, since it has no call for key info.
import sdk from "kucoin-node-sdk";

function checked(answer) {
  if (answer.code !== "200000") throw new Error(JSON.stringify(answer));
  return answer.data;
}

export async function run({ url, apiKey, secret, passphrase }) {
  sdk.init({ baseUrl: url, apiAuth: { key: apiKey, secret, passphrase }, authVersion: 2 });
  const summary = checked(await sdk.rest.User.Account.getAccountSummaryInfo());
  const accounts = checked(await sdk.rest.User.Account.getAccountsList({ type: "trade" }));
  return {
    key: summary.maxSubQuantity > 0 ? apiKey : "",
    time: checked(await sdk.rest.Others.getTimestamp()),
    balance: accounts.find((each) => each.currency === "USDT").balance,
  };
}
