"""How to mend a request that a check refuses, in a sentence or two."""

from __future__ import annotations

from typing import Final

#: Advice by the code of a `Refusal`, without the code's "sandbox." at the front.
ADVICE: Final = {
    "access_token_expired": "Refresh the token first, or wind the sandbox's clock forward by less.",
    "access_token_replaced": "Store the new pair after each refresh, and use the new access token.",
    "access_token_unknown": "Send the access token of the last exchange or refresh; a reset of the "
    "sandbox ends all tokens.",
    "authorization_scheme": "Write 'bearer' in lower case; many OAuth libraries write 'Bearer'.",
    "bad_encoding": "Percent-encode the value as UTF-8.",
    "bad_json": "Send a JSON object.",
    "code_expired": "Exchange the code within ten minutes after the user has approved.",
    "code_unknown": "Send the code that the callback gave, percent-encoded once.",
    "code_used": "Exchange each code once. To try again, send the user to the login page again.",
    "content_type": "Set the Content-Type that this refusal names.",
    "doubled_parameter": "Send each parameter once.",
    "empty_parameter": "Give the parameter a value.",
    "ip_not_registered": "Add the address, or its network, to the sandbox's option allowed_ips.",
    "key_limit": "At KuCoin the user has to delete a key. In the sandbox, delete one, or raise the "
    "option max_keys.",
    "missing_parameter": "Add the parameter.",
    "no_access_token": "Send the access token in the Authorization header.",
    "parameter_order": "Put the parameters in that order, or set the sandbox's option "
    "parameter_order to any.",
    "redirect_uri_characters": "Register a redirect URL that has no such character.",
    "redirect_uri_differs": "Send the same redirect URL to the login page and in the exchange.",
    "redirect_uri_encoded": "Put the redirect URL into the query without encoding it. Most "
    "libraries encode it, so build the request's URL by hand.",
    "redirect_uri_insecure": "Use https, or a loopback host while you develop.",
    "redirect_uri_relative": "Send a full URL, with https:// and a host.",
    "redirect_uri_unregistered": "Send a registered redirect URL, or add this one to the sandbox's "
    "option redirect_uris.",
    "refresh_token_expired": "The user has to approve again.",
    "refresh_token_unknown": "Send the refresh token of the last exchange or refresh.",
    "refresh_token_used": "Store the new pair after each refresh, and let only one process "
    "refresh a pair.",
    "repeated_name": "Unset the sandbox's option api_name, or set its option repeat_names.",
    "unexpected_authorization": "Send this call without an Authorization header; your OAuth "
    "library may call that 'no client authentication'.",
    "unexpected_body": "Send this call without a body.",
    "unexpected_query": "Send this call without a query. Its parameters, if any, belong in the "
    "body.",
    "unknown_account": "Choose one of the accounts that the text lists.",
    "unknown_client": "Send the client id that the sandbox prints when it starts.",
    "unknown_parameter": "Leave the parameter out. Some libraries add parameters, such as nonce.",
    "unknown_ticket": "Open the login page again.",
    "wrong_client_secret": "Send the value of the sandbox's option client_secret.",
    "wrong_decision": "Send decision=approve or decision=cancel, as the page's two buttons do.",
    "wrong_grant_type": "Send grant_type=authorization_code, for a refresh as well.",
    "wrong_groups": "Name every group. Give false to the groups that you do not want.",
    "wrong_members": "Send exactly authGroupMap and isAddressbookOnly.",
    "wrong_response_type": "Send response_type=code.",
    "wrong_scope": "Send scope=OAUTH_CREATE_API.",
    "wrong_type": "Send JSON booleans, without quotation marks.",
}

#: Advice by KuCoin's own code, for each such code with which the sandbox's checks refuse a request.
KUCOIN_ADVICE: Final = {
    "400001": "Send all four headers that the text names.",
    "400002": "Send the time in milliseconds, and let the machine's clock be set by NTP.",
    "400003": "Use a key of this site that its user has not deleted and that has not expired.",
    "400004": "Send base64(HMAC-SHA256(secret, passphrase)).",
    "400005": "Sign timestamp + method + path with query + body, with the secret of the key.",
    "400006": "Call from an address that the key is bound to. In the sandbox, the option "
    "ip_whitelist lists these addresses.",
    "400007": "The user has to connect again, and to grant the missing permission.",
    "400008": "Send KC-API-KEY-VERSION: 3.",
    "400009": "Send KC-API-KEY-VERSION: 3.",
    "400200": "Send your own partner name. In the sandbox it is the option partner.",
    "400201": "Sign timestamp + partner + API key with the broker's key. In the sandbox it is the "
    "option partner_key.",
    "404000": "Compare the path, and the version in it, with KuCoin's REST documentation.",
    "40503": "Ask only for permissions that the user has granted and can use, and set "
    "isAddressbookOnly to false. In the sandbox, the scenario or the option permission_mismatch "
    "may be the cause.",
}
