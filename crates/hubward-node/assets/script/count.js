// A stream from the server: counted numbers, with a button that cancels it.
import { chat } from "./chat.js";
import { byId, message, onSubmit, shown } from "./dom.js";

let subscription = null;

export function stopCounting() {
  subscription?.dispose();
}

function showCount(state, text) {
  byId("count-button").textContent = state === "running" ? "Stop" : "Count";
  byId("count-output").textContent = text;
  if (state === "ended") subscription = null;
}

onSubmit(byId("count-form"), async () => {
  if (subscription !== null) {
    subscription.dispose();
    return showCount("ended", "Stopped: the stream was cancelled.");
  }
  const n = byId("count-n").valueAsNumber;
  const progress = byId("count-progress");
  Object.assign(progress, { max: n, value: 0 });
  let received = 0;
  subscription = chat.stream("Count", n, byId("count-delay").valueAsNumber).subscribe({
    next: (item) => {
      progress.value = received += 1;
      showCount("running", `Received ${shown(item)}, ${received} of ${n} items.`);
    },
    complete: () => showCount("ended", `Complete: ${received} items.`),
    error: (error) => showCount("ended", `${message(error)} Press “Count” to start again.`),
  });
  showCount("running", "Waiting for the first item.");
}, (error) => showCount("ended", message(error)));
