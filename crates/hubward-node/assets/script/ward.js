// The ward: subscriptions, a stream of vital signs, and orders.
import { byId, onSubmit, shown } from "./dom.js";
import { HubConnection, REFUSAL_ADVICE } from "./hub_connection.js";
import { Memberships } from "./memberships.js";
import { forgetPatients, hasPatients, onDrawn, takeReading } from "./vitals.js";
import { clearWardLog, logWard, wardFailed } from "./ward_log.js";

const SUBSCRIBE_ADVICE = "Subscribe to the ward of your own department, or sign in with another one.";
const ORDER_ADVICE = "Only doctors may order: sign out and sign in with the role doctor.";

export const ward = new HubConnection("/hubs/ward", { Vitals: takeReading, MedicationOrdered: showOrder }, restoreWards);
const wards = new Memberships(byId("ward-list"), unsubscribe, showVitalsStatus);

onDrawn(showVitalsStatus);
ward.addEventListener("change", showVitalsStatus);
ward.addEventListener("refused", () => {
  logWard("error", ward.reason, `The policy ClinicalStaff guards this hub. ${REFUSAL_ADVICE}`);
});

/** Closes the connection and clears what it has shown. */
export async function closeWard() {
  stopWatching();
  const closed = ward.close();
  wards.clear();
  forgetPatients(() => true);
  clearWardLog();
  await closed;
}

onSubmit(byId("ward-form"), async () => {
  const name = byId("ward-name").value.trim();
  await ward.invoke("SubscribeToWard", name);
  wards.add(name);
  logWard("result", `Subscribed to ward ${name}.`);
}, (error) => wardFailed(error, SUBSCRIBE_ADVICE));

async function unsubscribe(name) {
  try {
    await ward.invoke("UnsubscribeFromWard", name);
    wards.delete(name);
    forgetPatients((reading) => shown(reading.ward).toLowerCase() === name.toLowerCase());
    logWard("info", `Unsubscribed from ward ${name}.`);
  } catch (error) {
    wardFailed(error, "Connect again: subscriptions end with their connection.");
  }
}

async function restoreWards() {
  for (const name of wards.names) {
    await ward.invoke("SubscribeToWard", name).catch((error) => wardFailed(error, SUBSCRIBE_ADVICE));
  }
}

let watching = null; // { name, subscription } of the stream in this window

function stopWatching() {
  watching?.subscription?.dispose();
  watching = null;
  byId("watch").setAttribute("aria-pressed", "false");
  byId("watch").textContent = "Watch as a stream";
  showVitalsStatus();
}

byId("watch").addEventListener("click", () => {
  if (watching !== null) return stopWatching();
  const name = byId("ward-name").value.trim();
  if (name === "") return byId("ward-form").reportValidity();
  const mine = (watching = { name, subscription: null });
  const end = (report) => {
    if (watching !== mine) return;
    report();
    mine.subscription = null; // it has ended by itself
    stopWatching();
  };
  try {
    mine.subscription = ward.stream("WatchVitals", name).subscribe({
      next: (reading) => watching === mine && takeReading({ ...reading, ward: reading?.ward ?? name }),
      complete: () => end(() => logWard("info", `The stream of ward ${name} has ended.`)),
      error: (error) => end(() => wardFailed(error, `${SUBSCRIBE_ADVICE} Then press “Watch as a stream” again.`)),
    });
    byId("watch").setAttribute("aria-pressed", "true");
    byId("watch").textContent = "Stop the stream";
    showVitalsStatus();
  } catch (error) {
    end(() => wardFailed(error, ""));
  }
});

onSubmit(byId("order-form"), async () => {
  const result = await ward.invoke("OrderMedication", byId("patient").value.trim(), byId("drug").value.trim());
  logWard("result", shown(result));
  byId("drug").value = "";
}, (error) => wardFailed(error, ORDER_ADVICE));

function showOrder({ patient, drug, by }) {
  logWard("order", `${shown(drug)} for ${shown(patient)}, ordered by ${shown(by)}.`);
}

function showVitalsStatus() {
  const names = [...wards.names, ...(watching === null ? [] : [`${watching.name} (stream)`])];
  let text = "No ward yet. Subscribe to one to see its patients.";
  const pace = hasPatients() ? "live" : "waiting for the first reading";
  if (names.length > 0) text = `${pace} from ${names.join(", ")}.`;
  if (names.length === 0 && hasPatients()) text = "not live: these are the last readings.";
  if (names.length > 0 && ward.state !== "Connected") text = "not live: there is no connection, so these readings are old.";
  if (byId("vitals-status").textContent !== text) byId("vitals-status").textContent = text;
}
