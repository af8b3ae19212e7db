import "./connection.js";
import { keepAddress, keptAddress } from "./address.js";
import { signIn } from "./api.js";
import { find } from "./elements.js";
import { emailAddress, LEAVING, listen, required } from "./form.js";
import { nextAddress } from "./next.js";

const form = find(document, "form", HTMLFormElement);
const email = find(form, "#email", HTMLInputElement);

email.value ||= keptAddress();
find(document, "[data-next]", HTMLElement).hidden = !new URLSearchParams(location.search).has("next");

listen(form, {
  checks: { email: emailAddress, password: required("Enter your password.") },
  async submit({ email = "", password = "" }) {
    await signIn(email.trim(), password);
    location.replace(nextAddress());
    return LEAVING;
  },
  refused(problem) {
    if (problem.type !== "invalid-credentials") return false;
    // Very likely still unverified: the page that it leads to needs the address.
    keepAddress(email.value);
    find(document, "[data-unverified]", HTMLElement).hidden = false;
    return false;
  },
});
