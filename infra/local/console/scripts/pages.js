/** Where the console's pages are. */

/** @param {string} trace */
export const flowPage = (trace) => `/_local?trace=${encodeURIComponent(trace)}`;

/** @param {string} id */
export const emailPage = (id) => `/_local/ui/inbox?id=${encodeURIComponent(id)}`;

/** @param {string} id */
export const textPage = (id) => `/_local/ui/texts?id=${encodeURIComponent(id)}`;

/** @param {string} name @param {string} requestId */
export const logsPage = (name, requestId) =>
  `/_local/ui/functions?name=${encodeURIComponent(name)}&request=${encodeURIComponent(requestId)}#logs`;
