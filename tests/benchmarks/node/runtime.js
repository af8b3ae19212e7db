// The loop of a Lambda runtime: asks for an invocation, answers it, asks for the next. It is lighter than the one that
// AWS runs Node.js functions on, which is in Node's favour.

import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

export async function run(handle) {
  for (;;) {
    const { headers, body } = await call("GET", "/invocation/next");
    const id = headers["lambda-runtime-aws-request-id"];
    // As AWS's does: the SDK reads it.
    process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
    try {
      const answer = await handle(JSON.parse(body), process.env._X_AMZN_TRACE_ID);
      await call("POST", `/invocation/${id}/response`, JSON.stringify(answer));
    } catch (error) {
      console.error(error);
      const told = { errorType: error.name, errorMessage: error.message };
      await call("POST", `/invocation/${id}/error`, JSON.stringify(told));
    }
  }
}

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const options = { host, port, method, path: `/2018-06-01/runtime${path}`, headers, agent };
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}
