// Before anything is painted: the theme that this reader chose last.
(() => {
  try {
    const theme = localStorage.getItem("onehead-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* storage is off: the system's theme holds */ }
})();
