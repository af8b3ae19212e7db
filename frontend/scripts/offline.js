import { find } from "./elements.js";

// Shown in place of a page that could not be fetched, at that page's own address.
find(document, "[data-retry]", HTMLButtonElement).addEventListener("click", () => location.reload());
addEventListener("online", () => location.reload());
