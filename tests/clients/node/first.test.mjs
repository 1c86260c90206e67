import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import test from "node:test";

test("a user connects", async (t) => {
  const sandbox = spawn("kucoin-sandbox", ["--port", "0", "--json", "--quiet"]);
  t.after(() => sandbox.kill());
  const [line] = await once(sandbox.stdout, "data");
  const { url, client_id } = JSON.parse(line);
  const control = async (path, body) =>
    (
      await fetch(`${url}/sandbox/${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      })
    ).json();

  // Your application sends the user's browser to this URL.
  const back = "https://broker.example.com/callback";
  const login =
    `${url}/oauth?response_type=code&client_id=${client_id}&redirect_uri=${back}` +
    "&scope=OAUTH_CREATE_API&state=abc";
  const { fields } = await control("approve", { url: login });
  assert.equal(fields.state, "abc");

  const exchange =
    `${url}/_oauth/access-token?grant_type=authorization_code` +
    `&code=${encodeURIComponent(fields.code)}&redirect_uri=${back}&client_id=${client_id}`;
  const token = await (await fetch(exchange)).json();
  const refreshed = await fetch(`${url}/_oauth/refresh-token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      refresh_token: token.refresh_token,
      scope: "OAUTH_CREATE_API",
    }),
  });
  const { access_token } = await refreshed.json();
  const add = await fetch(`${url}/_oauth/resource/ucenter/outer/api-key/add`, {
    method: "POST",
    headers: {
      "Content-Type": "application/x-www-form-urlencoded",
      Authorization: `bearer ${access_token}`,
    },
  });
  const { data } = await add.json();
  const { keys } = await (await fetch(`${url}/sandbox/keys`)).json();
  assert.equal(keys[0].secret, data.secret);
});
