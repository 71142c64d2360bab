// What a browser remembers, before anything is painted; no module, so that it comes first.
{
  const { dataset } = document.documentElement;
  const chosen = localStorage.getItem("theme") ?? "auto";
  if (chosen !== "auto") dataset.theme = chosen;
  dataset.size = localStorage.getItem("size") ?? "medium"; // of the images
  if (history.state?.at) dataset.at = ""; // the window was further down, and goes back there
}
