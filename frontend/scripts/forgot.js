import "./connection.js";
import { keepAddress, keptAddress } from "./address.js";
import { ask } from "./api.js";
import { fill, find, show } from "./elements.js";
import { emailAddress, listen } from "./form.js";

const page = find(document, "main", HTMLElement);
const form = find(page, "form", HTMLFormElement);
const email = find(form, "#email", HTMLInputElement);

email.value ||= keptAddress();

listen(form, {
  checks: { email: emailAddress },
  async submit({ email: address = "" }) {
    const { detail } = await ask("POST", "/api/auth/password/forgot", { email: address.trim() });
    keepAddress(address);
    fill(page, { detail });
    show(page, "sent");
    find(page, "[data-sent]", HTMLElement).focus();
  },
});

find(page, "[data-again]", HTMLButtonElement).addEventListener("click", () => {
  show(page, "ready");
  email.focus();
});
