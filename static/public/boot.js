// Colour scheme and language before the first paint; a file of its own because the page's policy allows no inline script.
(function () {
  var root = document.documentElement;
  var scheme = null, lang = null;
  try {
    scheme = localStorage.getItem("mantine-color-scheme-value");
    lang = localStorage.getItem("berth.lang");
  } catch { /* storage is off: fall back to what the browser prefers */ }
  if (scheme !== "light" && scheme !== "dark") {
    scheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  root.setAttribute("data-mantine-color-scheme", scheme);
  root.lang = lang || (/^zh/i.test(navigator.language) ? "zh-CN" : "en");
})();
