"use strict";
(() => {
  document.documentElement.classList.add("live");
  const list = document.getElementById("findings");
  const all = Array.from(list.querySelectorAll(".finding"));
  // What is searched is read once, and not before somebody searches: a page may have ten thousand findings.
  let texts = null;
  const has = (index, words) => {
    if (words.length === 0) return true;
    texts ??= all.map((finding) => finding.textContent.toLowerCase());
    return words.every((word) => texts[index].includes(word));
  };
  const search = document.getElementById("search");
  const sort = document.getElementById("sort");
  const shown = document.getElementById("shown");
  const boxes = Array.from(document.querySelectorAll("input[data-class]"));
  const filter = () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter((word) => word);
    const classes = new Set(boxes.filter((box) => box.checked).map((box) => box.dataset.class));
    let count = 0;
    all.forEach((finding, index) => {
      const fits = classes.has(finding.dataset.class) && has(index, wanted);
      if (finding.hidden === fits) finding.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = `${count} of ${all.length} shown`;
  };
  const number = (finding, name) => Number(finding.dataset[name]);
  const orders = {
    report: (a, b) => number(a, "place") - number(b, "place"),
    time: (a, b) => a.dataset.first.localeCompare(b.dataset.first) || number(a, "place") - number(b, "place"),
    bytes: (a, b) => number(b, "bytes") - number(a, "bytes") || number(a, "place") - number(b, "place"),
    clients: (a, b) => number(b, "clients") - number(a, "clients") || number(a, "place") - number(b, "place"),
    port: (a, b) => number(a, "port") - number(b, "port") || number(a, "place") - number(b, "place"),
  };
  const arrange = () => list.append(...all.slice().sort(orders[sort.value]));
  search.addEventListener("input", filter);
  boxes.forEach((box) => box.addEventListener("change", filter));
  sort.addEventListener("change", arrange);
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    const code = button.parentElement.querySelector("code");
    const select = () => getSelection().selectAllChildren(code);
    const done = () => { button.textContent = "copied"; setTimeout(() => { button.textContent = "copy"; }, 1500); };
    // A page opened from a file may have no clipboard: then the text is marked, to be copied by hand.
    if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done, select); else select();
  });
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") { target.hidden = false; target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = all.filter((finding) => !finding.open);
    unfolded.forEach((finding) => { finding.open = true; });
  });
  addEventListener("afterprint", () => unfolded.forEach((finding) => { finding.open = false; }));
  filter();
  reveal();
})();
