(async () => {
	// The observers of a viewer learn of a new size of the window in the frame after it.
	// What is drawn ahead tells which places on it cover text.
	const drawing = () => [...document.querySelectorAll("[data-viewer]")].some(v => v.checkVisibility() &&
		(v.dataset.viewerReady === undefined || v.dataset.viewerIdle === undefined && v.querySelector(".sheet.drawn")));
	if (document.querySelector("[data-viewer]"))
		do await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))); while (drawing());
	scrollTo(0, 0);
	const clear = c => c === "transparent" || c.endsWith(", 0)");
	const hash = text => { let h = 0x811c9dc5; for (const c of text) h = Math.imul(h ^ c.codePointAt(0), 0x01000193) >>> 0; return h.toString(36) };
	// Scripts add these in the order in which things happen; they are listed in this one, after the other classes.
	const states = ["current", "covers", "done"];
	const replaced = ["IMG", "svg", "INPUT", "SELECT", "TEXTAREA", "PROGRESS", "VIDEO"];
	const style = (e, before) => {
		const s = getComputedStyle(e, before), found = [];
		const own = before ? s.content !== "none" : [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
		if (before && (!own || s.display === "none")) return "";
		if (own && (!before || s.content.length > 2) || ["INPUT", "SELECT", "TEXTAREA"].includes(e.tagName))
			found.push("text " + s.color + " " + s.fontSize + "/" + s.lineHeight + " " + s.fontWeight + " " + s.fontFamily.split(",")[0] + " " + [s.textAlign, s.textDecorationLine, s.textTransform, s.fontStyle].filter(v => !["start", "none", "normal", "left"].includes(v)).join(" "));
		if (before) found.push("content " + s.content + " " + s.width + " " + s.height);
		if (!clear(s.backgroundColor)) found.push("ground " + s.backgroundColor);
		if (s.backgroundImage !== "none") found.push("image " + s.backgroundImage.replace(/url\([^)]*\)/g, "url"));
		for (const side of ["Top", "Right", "Bottom", "Left"])
			if (s["border" + side + "Style"] !== "none" && parseFloat(s["border" + side + "Width"]) > 0 && !clear(s["border" + side + "Color"]))
				found.push(side.toLowerCase() + " " + s["border" + side + "Width"] + " " + s["border" + side + "Style"] + " " + s["border" + side + "Color"]);
		if (s.boxShadow !== "none") found.push("shadow " + s.boxShadow);
		if (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) found.push("outline " + s.outlineWidth + " " + s.outlineColor);
		if (!found.length && !before && !replaced.includes(e.tagName)) return "";
		if (e.tagName === "svg" && !e.closest(".qr")) found.push("drawing " + hash(e.innerHTML.replace(/\s+/g, " ")) + " " + s.color + " " + s.fill + " " + s.stroke);
		// Browsers round a radio button by themselves, by its style or not.
		if (s.borderTopLeftRadius !== "0px" && !e.matches("[type=radio]")) found.push("radius " + s.borderTopLeftRadius);
		if (s.opacity !== "1") found.push("opacity " + s.opacity);
		if (s.transform !== "none") found.push("transform " + s.transform);
		return found.join("; ") || "drawn";
	};
	const list = [];
	const walk = (e, path, x, y) => {
		if (e.matches("canvas, .textLayer, .visually-hidden, .skip, script, noscript, title")) return;
		if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true})) {
			if (getComputedStyle(e).display !== "contents") return;
		}
		// The number of a page that is not drawn yet is there or not, by what was drawn ahead.
		const parts = [style(e), e.matches(".sheet") ? "" : style(e, "::before"), style(e, "::after")], r = e.getBoundingClientRect();
		if (parts.some(p => p) && r.width > 0 && r.height > 0)
			list.push([path, e.tagName.toLowerCase() + (e.getAttribute("class") || "").trim().split(/\s+/).filter(c => c && c !== "drawn").sort((a, b) => states.indexOf(a) - states.indexOf(b)).map(c => "." + c).join(""),
				[r.x + x, r.y + y, r.width, r.height].map(Math.round), parts.map((p, i) => p && ["", "before ", "after "][i] + p).filter(p => p).join("; ")]);
		if (!e.matches("svg, .thumbnail")) [...e.children].forEach((child, i) => walk(child, [...path, i], x + e.scrollLeft, y + e.scrollTop));
	};
	walk(document.body, [], 0, 0);
	return JSON.stringify(list);
})()
