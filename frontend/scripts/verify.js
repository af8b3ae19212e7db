import "./connection.js";
import { ask } from "./api.js";
import { find, show } from "./elements.js";
import { listen } from "./form.js";
import { onAnotherToken, takeToken } from "./link-token.js";
import { listenForResend } from "./resend.js";

// A page that spends its link by itself would spend it for a mail scanner: hence the button.
let token = takeToken();
const page = find(document, "main", HTMLElement);

/** @param {"ready" | "missing" | "invalid" | "done"} state */
function become(state) {
  show(page, state === "missing" || state === "invalid" ? "resend" : state);
  for (const part of page.querySelectorAll("[data-only]")) {
    if (part instanceof HTMLElement) part.hidden = part.dataset.only !== state;
  }
}

listen(find(page, "#confirm", HTMLFormElement), {
  checks: {},
  async submit() {
    await ask("POST", "/api/auth/verification/confirm", { token });
    token = null;
    become("done");
    find(page, "[data-next-step]", HTMLElement).focus();
  },
  refused(problem) {
    // The token is the only input: whatever is wrong with it, another link is the cure.
    if (problem.type !== "invalid-link" && problem.status !== 422) return false;
    become("invalid");
    return true;
  },
});
listenForResend(find(page, "#resend", HTMLFormElement));

become(token ? "ready" : "missing");
onAnotherToken((another) => {
  token = another;
  become("ready");
});
