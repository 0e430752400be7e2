// The AWS SDK for JavaScript v3, both APIs: nothing is changed but the endpoint. One line of JSON for each mail.
const { SESClient, SendEmailCommand, GetSendQuotaCommand } = require("@aws-sdk/client-ses");
const v2 = require("@aws-sdk/client-sesv2");

const { CLIENT, ENDPOINT } = process.env;
const settings = { region: "eu-west-1", endpoint: ENDPOINT };
const [ses, sesv2] = [new SESClient(settings), new v2.SESv2Client(settings)];

async function send({ sender = "shop@example.com", to = "reader@example.net", text = "Größe" }) {
  const Destination = { ToAddresses: [to], BccAddresses: ["hidden@example.net"] };
  const content = { Subject: { Data: "Größe 42" }, Body: { Text: { Data: text }, Html: { Data: "<p>Größe</p>" } } };
  if (CLIENT === "v1") {
    return ses.send(new SendEmailCommand({ Source: sender, Destination, Message: content }));
  }
  const Attachments = [{ FileName: "Größe.csv", RawContent: Buffer.from("a;b\n1;2\n") }];
  const Content = { Simple: { ...content, Attachments } };
  return sesv2.send(new v2.SendEmailCommand({ FromEmailAddress: sender, Destination, Content }));
}

async function told(call) {
  try {
    console.log(JSON.stringify([(await call).MessageId]));
  } catch (error) {
    console.log(JSON.stringify([error.name, error.$metadata.httpStatusCode, error.message]));
  }
}

async function main() {
  await told(send({}));
  await told(send({ sender: "thief@example.org" }));
  await told(send({ to: "gone@example.net" }));
  await told(send({ text: "x".repeat(300000) }));
  await told(send({ text: "another" }));
  const quota = CLIENT === "v1" ? await ses.send(new GetSendQuotaCommand({})) : (await sesv2.send(new v2.GetAccountCommand({}))).SendQuota;
  console.log(JSON.stringify([quota.MaxSendRate]));
  if (CLIENT === "v2") {
    const address = { EmailAddress: "a+b@example.org" };
    await sesv2.send(new v2.PutSuppressedDestinationCommand({ ...address, Reason: "BOUNCE" }));
    const found = await sesv2.send(new v2.GetSuppressedDestinationCommand(address));
    console.log(JSON.stringify([found.SuppressedDestination.Reason]));
    await sesv2.send(new v2.DeleteSuppressedDestinationCommand(address));
    await told(sesv2.send(new v2.GetSuppressedDestinationCommand(address)));
  }
}

main();
