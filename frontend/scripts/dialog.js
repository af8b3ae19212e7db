// Dialogs that ask one question.

/**
 * Opens it, and says with which of its buttons it was closed; empty if with none.
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<string>}
 */
export function asked(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}
