import "./connection.js";
import { ask } from "./api.js";
import { find, show } from "./elements.js";
import { listen } from "./form.js";
import { onAnotherToken, takeToken } from "./link-token.js";

let token = takeToken();
const page = find(document, "main", HTMLElement);

listen(find(page, "form", HTMLFormElement), {
  checks: {},
  async submit() {
    await ask("POST", "/api/auth/email/confirm", { token });
    token = null;
    show(page, "done");
    find(page, "[data-next-step]", HTMLElement).focus();
  },
  refused(problem) {
    if (problem.type !== "invalid-link" && problem.status !== 422) return false;
    show(page, "invalid");
    return true;
  },
});

show(page, token ? "ready" : "missing");
onAnotherToken((another) => {
  token = another;
  show(page, "ready");
});
