// What mailparser sees: each file on the command line, one line of JSON with [name, type] for each attachment.
const fs = require('fs');
const { simpleParser } = require('mailparser');

const shown = found => [found.filename || '', found.contentType || ''];

// Of some messages it never comes to an end.
async function read(file) {
    let timer;
    const end = new Promise(resolve => (timer = setTimeout(resolve, 2000, { attachments: [] })));
    try {
        const mail = await Promise.race([simpleParser(fs.readFileSync(file), { skipTextLinks: true, skipImageLinks: true }), end]);
        return mail.attachments.map(shown);
    } catch (error) {
        return [];
    } finally {
        clearTimeout(timer);
    }
}

(async () => {
    for (const file of process.argv.slice(2)) console.log(JSON.stringify(await read(file)));
})();
