// The worker: it answers questions about a prediction while the page goes on.
//
//     to the worker                                             from the worker
//     { type: "model", description, weights }
//     { type: "ask", question, ids, target, …, changes }        { question, kind: "word", … }, …
//                                                               { question, kind: "character", … }, …
//                                                               { question, kind: "done" }
//     { type: "stop" }
//
// `question` is any value that tells the answers of one question from those of another. The further entries of "ask" are
// the options of `occlusion`; `changes` has all interventions. A newer question or "stop" ends the answer to the older
// one; answers of the older one may still be under way to the page.

import { activeAt } from "./interventions.js";
import { Network } from "./network.js";
import { occlusion } from "./occlusion.js";

const BUSY = 20; // ms between two looks for newer messages

/** Answer the messages of a page. `scope` is the global object of a worker. */
export function serveOcclusion(scope) {
  let network = null;
  let asked = null; // { question, results }
  const work = afterMessages(() => {
    const deadline = performance.now() + BUSY;
    while (asked && performance.now() < deadline) {
      const { question, results } = asked;
      const { value, done } = results.next();
      if (done) asked = null;
      if (done || value) scope.postMessage({ question, ...(done ? { kind: "done" } : value) });
    }
    if (asked) work();
  });
  const receive = {
    model({ description, weights }) {
      network = new Network(description, weights);
      asked = null;
    },
    ask({ question, ids, changes = [], ...options }) {
      asked = { question, results: occlusion(network, ids, { ...options, changesAt: (n) => activeAt(changes, n) }) };
      work();
    },
    stop() {
      asked = null;
    },
  };
  scope.onmessage = ({ data: { type, ...message } }) => receive[type](message);
}

/** Return a function that lets a task run once after the messages that wait now, however often it is called. */
function afterMessages(task) {
  const { port1, port2 } = new MessageChannel();
  let waiting = false;
  port1.onmessage = () => {
    waiting = false;
    task();
  };
  return () => {
    if (!waiting) port2.postMessage(null);
    waiting = true;
  };
}
