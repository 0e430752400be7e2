// Nodemailer: it composes the message itself; what it composed is sent as it is.
const { writeFileSync, readFileSync } = require("fs");
const nodemailer = require("nodemailer");

const { PORT, TLS, LOGIN, PASSWORD, CERTIFICATE, TEXT, HTML, IMAGE, SENT } = process.env;

const mail = {
  from: "Bücher <shop@example.com>",
  to: "reader@example.net",
  subject: "Größe 42",
  text: readFileSync(TEXT, "utf8"),
  html: HTML ? readFileSync(HTML, "utf8") : "<p>Größe 42</p>",
  attachments: [
    ...(HTML ? [{ filename: "logo.png", cid: "logo", path: IMAGE }] : []),
    { filename: "Größe.csv", content: "a;b\n1;2\n" },
  ],
};

async function main() {
  const composer = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: "windows" });
  const composed = await composer.sendMail(mail);
  writeFileSync(SENT, composed.message);
  const transport = nodemailer.createTransport({
    host: "localhost",
    port: Number(PORT),
    secure: TLS !== "",
    requireTLS: TLS === "",
    tls: { ca: readFileSync(CERTIFICATE) },
    auth: { user: LOGIN, pass: PASSWORD },
  });
  await transport.sendMail({ envelope: composed.envelope, raw: composed.message });
}

main();
