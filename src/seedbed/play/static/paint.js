/** Canvases in the colours of the page: sharp on every screen, drawn again when the theme or the size changes. */

const repaints = new Set();

/** The numbers of the series whose colours the classes have. */
export const CLASS_SERIES = [4, 2, 3, 6, 8, 7, 5, 9, 1, 0];

/** Return the colours of the style sheet. Each has one meaning on the page: orange is "worse" alone. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    background: read("background"), ink: read("ink"), faint: read("faint-ink"), rule: read("rule"), zone: read("zone"),
    current: read("series-0"), pinned: read("series-7"), better: read("better"), worse: read("worse"), unsure: read("unsure"),
    classes: CLASS_SERIES.map((number) => read(`series-${number}`)),
  };
}

/** Return a colour from the style sheet as [red, green, blue]. */
export function channels(colour) {
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  return [...pixel.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** Return a canvas that fills its element, with the ratio of pixels of the screen. `paint` draws all of it again. */
export function canvasIn(parent, paint) {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-hidden", "true");
  parent.append(canvas);
  const pen = canvas.getContext("2d");
  const surface = { canvas, pen, width: 0, height: 0 };
  const fit = () => {
    const { width, height } = parent.getBoundingClientRect();
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    if (!width || !height) return;
    surface.width = width;
    surface.height = height;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(surface);
  };
  surface.clear = () => pen.clearRect(0, 0, surface.width, surface.height);
  new ResizeObserver(fit).observe(parent);
  repaints.add(fit);
  return surface;
}

/** Draw everything again, as after a change of the theme. */
export function repaintAll() {
  for (const repaint of repaints) repaint();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaintAll);

/** Return whether the reader prefers little motion. */
export function isStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Return about `most` round numbers between two ends. */
export function ticks(low, high, most = 5) {
  const raw = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(Math.abs(at) < step / 1e6 ? 0 : at);
  return found;
}

/** Write a text on a canvas; what would be cut at its right edge is moved or made narrower. */
export function label(pen, text, x, y, { colour, align = "left", baseline = "middle", size = 12, weight = "normal" }) {
  pen.font = `${weight} ${size}px "Liberation Sans", Arial, Helvetica, sans-serif`;
  pen.fillStyle = colour;
  pen.textAlign = align;
  pen.textBaseline = baseline;
  const end = pen.canvas.width / pen.getTransform().a;
  const at = align === "center" ? Math.min(x, end - pen.measureText(text).width / 2) : x;
  pen.fillText(text, at, y, align === "left" ? end - x : end);
}

/** Call a function once in the next frame, however often it is wanted until then. */
export function oncePerFrame(work) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      work();
    });
  };
}
