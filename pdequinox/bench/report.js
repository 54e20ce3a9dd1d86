
"use strict";
{
  // A head sorts its table: up, then down. What has no number stays last.
  const key = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim();
  };
  const isNothing = (value) => value === "" || value === "–";
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a === b ? 0 : a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };
  const sort = (head) => {
    const body = head.closest("table").tBodies[0];
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    const sign = direction === "ascending" ? 1 : -1;
    const isOfNumbers = [...body.rows].some((row) => "value" in row.cells[head.cellIndex].dataset);
    const rows = [...body.rows].map((row) => ({ row, value: key(row, head.cellIndex) }));
    for (const entry of rows) entry.isLast = isNothing(entry.value) || (isOfNumbers && typeof entry.value === "string");
    rows.sort((a, b) => a.isLast - b.isLast || sign * compare(a.value, b.value));
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    body.append(...rows.map((entry) => entry.row));
  };
  for (const button of document.querySelectorAll("thead button")) {
    button.addEventListener("click", () => sort(button.parentElement));
  }

  // A row lights up the lines of its network in the pictures of its section.
  const pick = (row, isOn) => {
    const section = row.closest("section");
    const found = section.querySelectorAll(`svg .network-${row.dataset.network}`);
    section.classList.toggle("picked", isOn && found.length > 0);
    for (const mark of found) mark.classList.toggle("lit", isOn);
  };
  for (const row of document.querySelectorAll("tr[data-network]")) {
    row.addEventListener("pointerenter", () => pick(row, true));
    row.addEventListener("pointerleave", () => pick(row, false));
  }

  const command = document.querySelector(".command");
  if (command && navigator.clipboard) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small-button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command.querySelector("code").textContent);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
    command.append(button);
  }
}
