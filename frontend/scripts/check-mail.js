import "./connection.js";
import { find } from "./elements.js";
import { listenForResend } from "./resend.js";

listenForResend(find(document, "form", HTMLFormElement));
