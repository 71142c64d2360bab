// Light or dark as it was chosen, before anything is painted; no module, so that it comes first.
{
  const chosen = localStorage.getItem("theme") ?? "auto";
  if (chosen !== "auto") document.documentElement.dataset.theme = chosen;
}
