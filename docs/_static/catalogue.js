// Hides the rows of the table of layers and losses that lack one of the words in the box.
const rows = document.querySelectorAll("table.catalogue tbody tr");
document.getElementById("catalogue-filter").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/);
  for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
});
