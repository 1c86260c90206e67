// KuCoin's official SDK for Node: key info, balance and server time. If a partner is given, also a
// broker call, the only kind of call with which this SDK sends partner headers.
import sdk from "kucoin-universal-sdk";

export async function run({ url, apiKey, secret, passphrase, partner, partnerKey }) {
  const options = new sdk.ClientOptionBuilder()
    .setKey(apiKey)
    .setSecret(secret)
    .setPassphrase(passphrase)
    .setBrokerName("Example Broker")
    .setBrokerPartner(partner ?? "")
    .setBrokerKey(partnerKey ?? "")
    .setSpotEndpoint(url)
    .setFuturesEndpoint(url)
    .setBrokerEndpoint(url)
    .setTransportOption(new sdk.TransportOptionBuilder().setMaxRetries(0).build())
    .build();
  const rest = new sdk.DefaultClient(options).restService();
  const account = rest.getAccountService().getAccountApi();
  const info = await account.getApikeyInfo();
  const accounts = await account.getSpotAccountList(
    sdk.Account.Account.GetSpotAccountListReq.builder().setType("trade").build(),
  );
  const time = await rest.getSpotService().getMarketApi().getServerTime();
  // Version 1.3 signs the partner header with the secret of the API key instead of the partner's
  // key, so a known partner is answered with 400201.
  if (partner) await rest
    .getBrokerService()
    .getNDBrokerApi()
    .getBrokerInfo(
      sdk.Broker.NDBroker.GetBrokerInfoReq.builder()
        .setBegin("20260101")
        .setEnd("20260102")
        .setTradeType("1")
        .build(),
    );
  return {
    key: info.apiKey,
    time: time.data,
    balance: accounts.data.find((each) => each.currency === "USDT").balance,
  };
}
