// Run one client with the settings of the command line, and print its result, or its error, as JSON.
const [client, settings] = process.argv.slice(2);
const { run } = await import(`./${client}.mjs`);
try {
  console.log(JSON.stringify(await run(JSON.parse(settings))));
} catch (error) {
  const body = error.err?.response?.data ?? error.response?.data ?? {};
  console.log(JSON.stringify({ error: `${error} ${JSON.stringify(body)}` }));
}
process.exit(0);
