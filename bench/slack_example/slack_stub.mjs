// A Slack Web API that says yes to everything at once. Environment: PORT.
import http from "node:http";

const answer = Buffer.from(
  JSON.stringify({
    ok: true,
    user: { id: "U000000001" },
    user_id: "U000000002",
    bot_id: "B000000001",
    channel: "D000000001",
    ts: "1.000001",
  }),
);

http
  .createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/json", "content-length": answer.length });
      response.end(answer);
    });
  })
  .listen(Number(process.env.PORT), "127.0.0.1");
