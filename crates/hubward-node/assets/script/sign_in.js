// Signing in and out: the form, and what starts and ends with a session.
import { closeChat } from "./chat.js";
import { stopCounting } from "./count.js";
import { byId, message, onSubmit, say } from "./dom.js";
import { signIn, signOut } from "./session.js";
import { hubs, showConnections, showSession } from "./status.js";
import { closeWard } from "./ward.js";

onSubmit(byId("sign-in"), async (form) => {
  say(byId("sign-in-error"), "");
  const fields = new FormData(form);
  const text = (name) => String(fields.get(name)).trim();
  const user = { user: text("user"), role: text("role"), department: text("department") };
  await signIn(user);
  byId("ward-name").value = user.department;
  byId("guide").open = false;
  showSession();
  byId("chat-text").focus({ preventScroll: true });
  for (const hub of hubs) hub.open();
}, (error) => say(byId("sign-in-error"), message(error)));

byId("sign-out").addEventListener("click", async () => {
  signOut();
  stopCounting();
  const closed = Promise.allSettled([closeWard(), closeChat()]);
  showConnections();
  byId("user").focus();
  await closed;
});
