"""How to mend each request that is refused, in a sentence or two."""

from __future__ import annotations

from typing import Final

#: By the code of the refusal, without "sandbox.".
ADVICE: Final = {
    "access_token_expired": "Refresh the token first, or wind the clock less far.",
    "access_token_replaced": "Store the new pair after each refresh, and use its access token.",
    "access_token_unknown": "Send the access token of the last exchange or refresh; a reset of the "
    "sandbox ends all of them.",
    "authorization_scheme": "Write 'bearer' in lower case; many OAuth libraries write 'Bearer'.",
    "bad_encoding": "Percent-encode the value as UTF-8.",
    "bad_json": "Send a JSON object.",
    "code_expired": "Exchange the code within ten minutes after the user came back.",
    "code_unknown": "Send the code as the callback gave it, percent-encoded once.",
    "code_used": "Exchange each code once; a retry needs a new login.",
    "content_type": "Set the Content-Type that the text names.",
    "doubled_parameter": "Send each parameter once.",
    "empty_parameter": "Give the parameter a value.",
    "ip_not_registered": "Add the address, or its network, to the option allowed_ips.",
    "key_limit": "The user has to delete a key at KuCoin; here, raise max_keys or reset.",
    "missing_parameter": "Add the parameter.",
    "no_access_token": "Send the access token in the Authorization header.",
    "parameter_order": "Put the parameters in that order, or set parameter_order to any.",
    "redirect_uri_characters": "Register a redirect URL without that character.",
    "redirect_uri_differs": "Send the same redirect URL in both calls.",
    "redirect_uri_encoded": "Put the redirect URL into the query as it is. Most libraries encode "
    "it, so build this URL by hand.",
    "redirect_uri_insecure": "Use https, or a loopback host while you develop.",
    "redirect_uri_relative": "Send a full URL, with https:// and a host.",
    "redirect_uri_unregistered": "Send a registered redirect URL, or add this one to the option "
    "redirect_uris.",
    "refresh_token_expired": "The user has to approve again.",
    "refresh_token_unknown": "Send the refresh token of the last exchange or refresh.",
    "refresh_token_used": "Store the new pair after each refresh, and let one process refresh.",
    "repeated_name": "Unset api_name, or set repeat_names.",
    "unexpected_authorization": "Turn client authentication off for this call.",
    "unexpected_body": "Send this call without a body.",
    "unexpected_query": "Send the parameters in the body.",
    "unknown_account": "Choose one of the accounts that the text lists.",
    "unknown_client": "Send the client id that the sandbox prints when it starts.",
    "unknown_parameter": "Leave the parameter out. Libraries may add some, such as nonce.",
    "unknown_ticket": "Open the login page again.",
    "wrong_client_secret": "Send the sandbox's client_secret.",
    "wrong_decision": "Press one of the two buttons.",
    "wrong_grant_type": "Send grant_type=authorization_code, for a refresh as well.",
    "wrong_groups": "Name every group, those not wanted with false.",
    "wrong_members": "Send exactly these two members.",
    "wrong_response_type": "Send response_type=code.",
    "wrong_scope": "Send scope=OAUTH_CREATE_API.",
    "wrong_type": "Send JSON booleans, without quotation marks.",
}

#: By the code of KuCoin itself, of those that a request can run into here.
KUCOIN_ADVICE: Final = {
    "400001": "Send all four headers.",
    "400002": "Send the time in milliseconds, and let the machine's clock be set by NTP.",
    "400003": "Use a key of this site that its user has not deleted and that has not expired.",
    "400004": "Send base64(HMAC-SHA256(secret, passphrase)).",
    "400005": "Sign timestamp + method + path with query + body, with the secret of the key.",
    "400006": "Call from an address that the key is bound to; here, the option ip_whitelist.",
    "400007": "The user has to connect again, and to grant this permission.",
    "400008": "Send KC-API-KEY-VERSION: 3.",
    "400009": "Send KC-API-KEY-VERSION: 3.",
    "400200": "Send your own partner name; here, the option partner.",
    "400201": "Sign timestamp + partner + API key with the broker's key; here, the option "
    "partner_key.",
    "404000": "Compare the path, and the version in it, with KuCoin's REST documentation.",
    "40503": "Ask only for permissions that the user has granted and can use, with "
    "isAddressbookOnly false; here, look at the scenario and the options, too.",
}
