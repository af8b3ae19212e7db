// Tells whoever looks at the page that the browser is offline, for as long as it is.

function showConnection() {
  const banner = document.querySelector("[data-offline]");
  if (banner instanceof HTMLElement) banner.hidden = navigator.onLine;
}

addEventListener("online", showConnection);
addEventListener("offline", showConnection);
showConnection();
