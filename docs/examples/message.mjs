// Sends one message, and asks what became of it: node message.mjs FROM TO ORDER
// RELAY_URL is like https://relay.example.com/email/v1; RELAY_LOGIN and RELAY_PASSWORD are those of `relay credential add`.
const { RELAY_URL, RELAY_LOGIN, RELAY_PASSWORD } = process.env;
const login = Buffer.from(`${RELAY_LOGIN}:${RELAY_PASSWORD}`).toString("base64");

// The Result. Tried again where the relay says when to; throws for what it refuses.
async function call(method, path, body, headers = {}) {
  for (let left = 3; ; left--) {
    const reply = await fetch(RELAY_URL + path, {
      method,
      headers: { Authorization: `Basic ${login}`, "Content-Type": "application/json", ...headers },
      body: body && JSON.stringify(body),
    });
    const answer = await reply.json();
    if (reply.ok) return answer.Result;
    const seconds = reply.headers.get("Retry-After");
    if (!seconds || !left) throw new Error(`${answer.Code}: ${answer.Description}`);
    await new Promise((done) => setTimeout(done, 1000 * seconds));
  }
}

const [from, to, order] = process.argv.slice(2);
const message = {
  Sender: { Address: from, Name: "The Shop" },
  Recipient: { Address: to },
  Subject: `Order ${order}`,
  Text: `<p>Thank you for your order ${order}.</p>`,
  UserMessageId: `order-${order}`,
};
// The key keeps it from being sent twice, however often this runs.
const id = await call("POST", "/Messages", message, { "Idempotency-Key": `order-${order}` });
console.log(id);
for (const each of await call("GET", `/Messages/${id}`)) console.log(each.Email, each.State);
