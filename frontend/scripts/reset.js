import "./connection.js";
import { keptAddress } from "./address.js";
import { ask } from "./api.js";
import { find, show } from "./elements.js";
import { listen } from "./form.js";
import { onAnotherToken, takeToken } from "./link-token.js";
import { newPassword, showStrength } from "./password.js";

let token = takeToken();
const page = find(document, "main", HTMLElement);
const form = find(page, "form", HTMLFormElement);

// For the password manager, which otherwise cannot tell whose password this is.
find(form, "[autocomplete=username]", HTMLInputElement).value = keptAddress();

showStrength(form);
listen(form, {
  checks: { password: newPassword },
  async submit({ password }) {
    await ask("POST", "/api/auth/password/reset", { token, password });
    token = null;
    form.reset();
    show(page, "done");
    find(page, "[data-next-step]", HTMLElement).focus();
  },
  refused(problem) {
    const ofToken = problem.fields.some(({ field }) => field === "token");
    if (problem.type !== "invalid-link" && !ofToken) return false;
    show(page, "invalid");
    return true;
  },
});

show(page, token ? "ready" : "missing");
onAnotherToken((another) => {
  token = another;
  show(page, "ready");
});
