// Tables that sort and filter, and details that unfold at once. The page is
// complete without any of it.
"use strict";
(() => {
	const make = (tag, props) => Object.assign(document.createElement(tag), props);
	const key = cell => cell.dataset.s ?? cell.firstChild?.textContent ?? "";

	function sort(table, column, head) {
		const down = head.getAttribute("aria-sort") !== "descending";
		for (const th of table.tHead.rows[0].cells) th.removeAttribute("aria-sort");
		head.setAttribute("aria-sort", down ? "descending" : "ascending");
		const rows = [...table.tBodies[0].rows].map(row => [key(row.cells[column]), row]);
		const numbers = rows.every(([k]) => k === "" || !isNaN(k));
		const compare = numbers ? (a, b) => a - b : (a, b) => a < b ? -1 : a > b ? 1 : 0;
		rows.sort(([a], [b]) => (down ? -1 : 1) * compare(a, b));
		table.tBodies[0].append(...rows.map(([, row]) => row));
	}

	function filter(table, text, said) {
		const words = text.toLowerCase().split(/\s+/).filter(Boolean);
		let shown = 0;
		for (const row of table.tBodies[0].rows) {
			row.text ??= [...row.cells].map(c => c.textContent + " " + c.title).join(" ").toLowerCase();
			row.hidden = !words.every(w => row.text.includes(w));
			if (!row.hidden) shown++;
		}
		said.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length}` : "";
	}

	for (const table of document.querySelectorAll(".wide > table")) {
		const name = table.getAttribute("aria-label");
		[...table.tHead.rows[0].cells].forEach((th, column) => {
			const button = make("button", {type: "button", textContent: th.textContent, title: th.title});
			button.addEventListener("click", () => sort(table, column, th));
			th.replaceChildren(button);
		});
		if (table.tBodies[0].rows.length < 8) continue;
		const tools = make("div", {className: "tools"});
		const input = make("input", {type: "search", placeholder: "Filter", ariaLabel: "Filter " + name});
		const said = make("span", {role: "status"});
		let waiting;
		input.addEventListener("input", () => {
			clearTimeout(waiting);
			waiting = setTimeout(() => filter(table, input.value, said), 80);
		});
		tools.append(input, said);
		table.parentElement.before(tools);
	}

	const all = [...document.querySelectorAll(".connection")];
	if (all.length > 1) {
		const tools = make("div", {className: "tools"});
		for (const [text, open] of [["Unfold all", true], ["Fold all", false]]) {
			const button = make("button", {type: "button", textContent: text});
			button.addEventListener("click", () => all.forEach(d => { d.open = open; }));
			tools.append(button);
		}
		all[0].before(tools);
	}

	// Where a browser does not unfold what a link leads to.
	function reveal() {
		const to = document.getElementById(location.hash.slice(1));
		const within = to?.closest(".connection");
		if (within && !within.open) {
			within.open = true;
			to.scrollIntoView();
		}
	}
	addEventListener("hashchange", reveal);
	reveal();
})();
