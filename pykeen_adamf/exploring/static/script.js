// Suggests entities while one types; everything works without, too.
const list = document.getElementById("suggestions");
let latest = 0;
const suggest = async text => {
  const turn = ++latest;
  const response = await fetch(`/suggest?q=${encodeURIComponent(text)}`);
  const labels = response.ok ? await response.json() : [];
  // answers may come in another order than questions
  if (turn !== latest) return;
  list.replaceChildren(...labels.map(label => Object.assign(document.createElement("option"), { value: label })));
};
for (const input of document.querySelectorAll("input[list=suggestions]")) {
  input.addEventListener("input", () => { if (input.value.trim()) suggest(input.value); });
}
document.addEventListener("keydown", event => {
  if (event.key === "/" && !event.target.closest("input, select, textarea")) {
    event.preventDefault();
    document.getElementById("search").focus();
  }
});
