// The page, and a clear WebSocket that hands what one client says to the other.
// usage: node signalling.mjs PORT

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const page = readFileSync(new URL("page.html", import.meta.url));

const server = createServer((request, response) => {
  if (request.method === "GET" && request.url === "/") {
    response.setHeader("content-type", "text/html");
    response.end(page);
  } else {
    response.statusCode = 404;
    response.end();
  }
});

const clients = new Set();
new WebSocketServer({ server, path: "/signalling" }).on("connection", (client) => {
  clients.add(client);
  client.on("message", (message) => {
    for (const other of clients) if (other !== client) other.send(message.toString());
  });
  client.on("close", () => clients.delete(client));
});

server.listen(Number(process.argv[2] ?? 8080), "::");
