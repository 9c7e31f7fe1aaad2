// Pinching within an element: two fingers, or what a touchpad sends for them, a wheel with Ctrl held. The browser would zoom the
// whole page, push the buttons around the element out of the window, and stretch what has been drawn.

/** Calls zoom with a factor and the point of the element's window that is pinched, and done when the fingers have left. */
export function onPinch(element: HTMLElement, zoom: (factor: number, x: number, y: number) => void, done: () => void): void {
  let apart = 0; // distance of the two fingers, 0 if there are not two

  const measure = (touches: TouchList): { distance: number; x: number; y: number } | null => {
    const [a, b] = [touches[0], touches[1]];
    if (!a || !b || touches.length !== 2) return null;
    const view = element.getBoundingClientRect();
    return {
      distance: Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
      x: (a.clientX + b.clientX) / 2 - view.left,
      y: (a.clientY + b.clientY) / 2 - view.top,
    };
  };

  element.addEventListener("touchstart", (e) => (apart = measure(e.touches)?.distance ?? 0), { passive: true });
  element.addEventListener(
    "touchmove",
    (e) => {
      const now = measure(e.touches);
      if (!now || !apart) return;
      e.preventDefault();
      zoom(now.distance / apart, now.x, now.y);
      apart = now.distance;
    },
    { passive: false },
  );
  for (const end of ["touchend", "touchcancel"] as const) {
    element.addEventListener(end, (e) => {
      if (apart && e.touches.length < 2) done();
      apart = measure(e.touches)?.distance ?? 0;
    });
  }

  let quiet = 0;
  element.addEventListener(
    "wheel",
    (e) => {
      if (!e.ctrlKey) return;
      e.preventDefault();
      const view = element.getBoundingClientRect();
      zoom(Math.exp(-Math.max(-50, Math.min(50, e.deltaY)) / 100), e.clientX - view.left, e.clientY - view.top);
      clearTimeout(quiet);
      quiet = window.setTimeout(done, 150);
    },
    { passive: false },
  );
}
