import "./connection.js";
import { keptAddress } from "./address.js";
import { fill, find } from "./elements.js";
import { listenForResend } from "./resend.js";

const address = keptAddress();
if (address) {
  fill(document, { address });
  find(document, "[data-field]", HTMLElement).hidden = true;
}
find(document, "[data-another]", HTMLElement).hidden = !address;

listenForResend(find(document, "form", HTMLFormElement));
