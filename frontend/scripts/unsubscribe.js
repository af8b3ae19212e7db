import "./connection.js";
import { ask } from "./api.js";
import { find, show } from "./elements.js";
import { listen } from "./form.js";
import { onAnotherToken, takeToken } from "./link-token.js";

// Mail programs unsubscribe by themselves, by the address in the mail's header. This page is for
// people, and asks: whatever scans links opens it, too.
let token = takeToken();
const page = find(document, "main", HTMLElement);

listen(find(page, "form", HTMLFormElement), {
  checks: {},
  async submit() {
    await ask("POST", "/api/unsubscribe", { token });
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
