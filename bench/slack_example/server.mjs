// Coder's Slack example, rebuilt from its description: every notification becomes a direct message to its user.
// Environment: PORT, SLACK_API_URL (the stub). It stores nothing and forgets what it could not send.
import bolt from "@slack/bolt";
import express from "express";

const receiver = new bolt.ExpressReceiver({ signingSecret: "bench" });
const app = new bolt.App({
  token: "xoxb-bench",
  receiver,
  logLevel: bolt.LogLevel.INFO,
  clientOptions: { slackApiUrl: process.env.SLACK_API_URL },
});

const missing = ({ title, body, payload }) => !title || !body || !payload?.user_email || !payload?.actions;

const blocks = ({ title, body, payload }) => [
  { type: "header", text: { type: "plain_text", text: title } },
  { type: "section", text: { type: "mrkdwn", text: body } },
  ...(payload.actions.length === 0
    ? []
    : [
        {
          type: "actions",
          elements: payload.actions.map(({ label, url }) => ({
            type: "button",
            text: { type: "plain_text", text: label },
            action_id: "button_click",
            url,
          })),
        },
      ]),
];

receiver.router.post("/v1/webhook", express.json(), async (request, response) => {
  if (missing(request.body ?? {})) {
    response.status(400).send("title, body, payload.user_email and payload.actions are required");
    return;
  }
  try {
    const found = await app.client.users.lookupByEmail({ email: request.body.payload.user_email });
    await app.client.chat.postMessage({
      channel: found.user.id,
      text: request.body.title,
      blocks: blocks(request.body),
    });
    response.status(204).send();
  } catch (error) {
    app.logger.error(error);
    response.status(500).send();
  }
});

app.action("button_click", async ({ ack }) => ack());

await app.start({ port: Number(process.env.PORT), host: "127.0.0.1" });
