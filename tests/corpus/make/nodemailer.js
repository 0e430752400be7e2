// Nodemailer: related with inline images, calendars, long names, a list's headers, DKIM.
const { readFileSync } = require("fs");
const { generateKeyPairSync } = require("crypto");
const nodemailer = require("nodemailer");

const { FILES, PORT } = process.env;
const file = (name, as = name) => ({ filename: as, content: readFileSync(`${FILES}/${name}`) });
const logo = { ...file("logo.png"), cid: "logo@example.com" };
const html = '<p>Größe 42 <img src="cid:logo@example.com"></p>';
const text = "Größe 42";
const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 1024,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const dkim = { domainName: "example.com", keySelector: "shop", privateKey };
const event = [
  "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.com//shop//EN", "METHOD:REQUEST", "BEGIN:VEVENT",
  "UID:42@example.com", "DTSTAMP:20251121T090000Z", "DTSTART:20251201T090000Z", "DTEND:20251201T100000Z",
  "SUMMARY:Stocktaking", "ORGANIZER:mailto:shop@example.com",
  "ATTENDEE;RSVP=TRUE:mailto:reader@example.net", "END:VEVENT", "END:VCALENDAR", "",
].join("\r\n");

const MAILS = {
  "nodemailer-text": { text },
  "nodemailer-inline": { text, html, attachments: [logo, file("offer.pdf", "Größe 42.pdf")] },
  "nodemailer-twenty": { text, attachments: [...Array(20).keys()].map((n) => file("prices.csv", `prices ${n + 1}.csv`)) },
  "nodemailer-names": {
    text,
    attachments: [
      file("offer.pdf", "Предложение магазина.pdf"),
      file("letter.docx", "お見積書の件について、ご確認をお願いいたします、第四十二号.docx"),
      file("logo.png", "🎁 sale 🎉.png"),
      file("prices.csv", `${"a long name ".repeat(12)}.csv`),
    ],
  },
  "nodemailer-invitation": { text, html: "<p>Größe 42</p>", icalEvent: { method: "REQUEST", content: event } },
  "nodemailer-list": {
    text,
    html: `<p>${"One long line of HTML. ".repeat(60)}</p>`,
    list: { unsubscribe: { url: "https://example.com/u/42", comment: "Unsubscribe" }, help: "help@example.com?subject=help" },
    headers: { "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", Precedence: "bulk", "Feedback-ID": "42:shop" },
  },
  "nodemailer-dkim": { text, dkim },
  "nodemailer-dkim-narrow": { text, dkim: { ...dkim, skipFields: "date:message-id" } },
};

async function main() {
  const transport = nodemailer.createTransport({ host: "127.0.0.1", port: Number(PORT), ignoreTLS: true, name: "client.example" });
  for (const [name, mail] of Object.entries(MAILS)) {
    const messageId = `<${name}.42@example.com>`;
    const envelope = { from: "shop@example.com", to: `${name}@example.net` };
    const address = { from: "Bücher, neu <shop@example.com>", to: "reader@example.net" };
    await transport.sendMail({ ...address, subject: "Größe 42", messageId, envelope, ...mail });
  }
  transport.close();
}

main();
