"use strict";
(() => {
	const fields = document.querySelectorAll("table.heat a");
	const buttons = document.querySelectorAll("button[data-view]");
	const show = (view) => {
		for (const a of fields) {
			const changed = a.classList.contains("changed");
			a.className = a.dataset.c.split("|")[view];
			a.classList.toggle("changed", changed);
			a.textContent = a.dataset.t.split("|")[view];
		}
		for (const b of buttons) b.setAttribute("aria-pressed", String(b.dataset.view === String(view)));
	};
	for (const b of buttons) b.addEventListener("click", () => show(Number(b.dataset.view)));

	const open = () => {
		const at = document.getElementById(location.hash.slice(1));
		if (at instanceof HTMLDetailsElement) {
			at.hidden = false;
			at.open = true;
			at.scrollIntoView();
		}
	};
	addEventListener("hashchange", open);
	open();

	const find = document.getElementById("find"), wrong = document.getElementById("wrong");
	const cells = document.querySelectorAll("details.cell");
	const filter = () => {
		const text = find.value.toLowerCase();
		for (const c of cells) {
			const right = c.dataset.status === "right" || c.dataset.status === "skipped";
			c.hidden = wrong.checked && right || text !== "" && !c.querySelector("code").textContent.toLowerCase().includes(text);
		}
	};
	find.addEventListener("input", filter);
	wrong.addEventListener("change", filter);
})();
