// The demo page: signs in, keeps one connection to each of two hubs, and shows what they send. This file starts it; the
// others have a part of the page each.
import "./sign_in.js";
import { prefill, showNode } from "./nodes.js";
import { showConnections } from "./status.js";

prefill();
showNode();
showConnections();
