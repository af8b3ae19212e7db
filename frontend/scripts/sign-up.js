import "./connection.js";
import { keepAddress } from "./address.js";
import { ask } from "./api.js";
import { find } from "./elements.js";
import { emailAddress, LEAVING, listen, required } from "./form.js";
import { newPassword, showStrength } from "./password.js";
import { mailSent } from "./resend.js";

const form = find(document, "form", HTMLFormElement);

showStrength(form);
listen(form, {
  checks: {
    name: required("Enter your name, or what you would like to be called."),
    email: emailAddress,
    password: newPassword,
  },
  async submit({ name = "", email = "", password }) {
    await ask("POST", "/api/auth/sign-up", { name: name.trim(), email: email.trim(), password });
    keepAddress(email);
    mailSent();
    location.assign("/check-mail");
    return LEAVING;
  },
});
