import { me } from "./account.js";
import { askAsUser, deleteAccount } from "./api.js";
import { asked } from "./dialog.js";
import { fill, find } from "./elements.js";
import { emailAddress, LEAVING, listen, required } from "./form.js";
import { view } from "./view.js";

const name = find(document, "#rename", HTMLFormElement);
const address = find(document, "#readdress", HTMLFormElement);
const deletion = find(document, "#delete", HTMLFormElement);
const sure = find(document, "#sure", HTMLDialogElement);

view("profile", me, ({ user }) => {
  find(name, "#name", HTMLInputElement).value ||= user.name; // unless it is typed already
  fill(address, { email: user.email });
  fill(sure, { email: user.email });
  for (const form of [address, deletion]) {
    find(form, "[autocomplete=username]", HTMLInputElement).value = user.email;
  }
});

listen(name, {
  checks: { name: required("Enter your name, or what you would like to be called.") },
  async submit({ name: typed = "" }) {
    const done = find(name, "[data-done]", HTMLElement);
    done.hidden = true;
    /** @type {import("./account.js").Me} */
    const { user } = await askAsUser("PATCH", "/api/me", { name: typed.trim() });
    find(name, "#name", HTMLInputElement).value = user.name;
    done.textContent = "Name saved.";
    done.hidden = false;
  },
});

listen(address, {
  checks: { email: emailAddress, password: required("Enter your password.") },
  async submit({ email = "", password }) {
    const done = find(address, "[data-done]", HTMLElement);
    done.hidden = true;
    const { detail } = await askAsUser("PUT", "/api/auth/email", { email: email.trim(), password });
    address.reset();
    done.textContent = detail;
    done.hidden = false;
  },
});

listen(deletion, {
  checks: { password: required("Enter your password.") },
  async submit({ password = "" }) {
    if ((await asked(sure)) !== "delete") return;
    await deleteAccount(password);
    location.replace("/account-deleted");
    return LEAVING;
  },
});
