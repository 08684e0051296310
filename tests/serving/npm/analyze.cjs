// Asks perspective-api-client, whose address is fixed, and prints what it gave: reads {address, apiKey, calls} from
// standard input, each call being [text, options]; prints a list of {answer} or {error}.
'use strict';
const fs = require('fs');
const axios = require('axios');
const Perspective = require('perspective-api-client');

const FIXED = 'https://commentanalyzer.googleapis.com/v1alpha1/comments:analyze';
const {address, apiKey, calls} = JSON.parse(fs.readFileSync(0, 'utf8'));

axios.interceptors.request.use(config => {
  if (config.url !== FIXED) {
    throw new Error(`asked ${config.url}`);
  }
  return {...config, url: `${address}/v1alpha1/comments:analyze`, proxy: false};
});

async function main() {
  const client = new Perspective({apiKey});
  const found = [];
  for (const [text, options] of calls) {
    try {
      found.push({answer: await client.analyze(text, options)});
    } catch (error) {
      const {name, message, response} = error;
      found.push({error: {name, message, status: response && response.status, body: response && response.data}});
    }
  }
  process.stdout.write(JSON.stringify(found));
}

main();
