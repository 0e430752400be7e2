// Reads envelopes as JSON lines from standard input, answers "valid" or "invalid" for each. The judge is npm's sns-validator;
// only its download of the certificate is answered from a file.
'use strict';
const https = require('https');
const fs = require('fs');
const { EventEmitter } = require('events');

const pem = fs.readFileSync(process.argv[2]);
https.get = (url, callback) => {
  const answer = new EventEmitter();
  answer.statusCode = 200;
  callback(answer);
  answer.emit('data', pem);
  answer.emit('end');
  return new EventEmitter();
};

const Validator = require('sns-validator');
const validator = new Validator();
for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  validator.validate(JSON.parse(line), (error) => console.log(error ? 'invalid' : 'valid'));
}
